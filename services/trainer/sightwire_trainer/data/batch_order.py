"""Which samples make which batch: a pure function of the seed, the epoch and the rank."""

import numpy as np
from numpy.typing import NDArray

from sightwire.errors import InvalidInputError


class BatchOrder:
    """A permutation for each epoch, shared out among ranks, in batches whose sizes differ by one at most.

    Every sample is in one batch of an epoch; but all ranks have as many, so that up to `world_size` - 1 samples, others
    in each epoch, wait for the next. Even sizes keep the last batch from being too small for batch norms and negatives.

    Raises:
        InvalidInputError: there are fewer samples than ranks.
    """

    def __init__(self, samples: int, batch_size: int, *, seed: int, rank: int = 0, world_size: int = 1) -> None:
        if samples < world_size:
            raise InvalidInputError(
                f"expected at least a sample to train on for each of {world_size} processes, there are {samples}"
            )
        self._samples = samples
        self._seed = seed
        self._rank = rank
        self._world_size = world_size
        self._of_rank = samples // world_size
        self.batches_per_epoch = -(-self._of_rank // batch_size)

    def batch(self, epoch: int, batch: int) -> NDArray[np.int64]:
        """Numbers of the samples of a batch: int64 [up to batch_size]."""
        order = np.random.default_rng((self._seed, epoch)).permutation(self._samples)
        of_rank = order[: self._of_rank * self._world_size][self._rank :: self._world_size]
        begin, end = (self._of_rank * part // self.batches_per_epoch for part in (batch, batch + 1))
        return of_rank[begin:end]
