"""Which samples make which batch: a pure function of the seed, the epoch and the rank, and of hard negatives."""

import numpy as np
from numpy.typing import NDArray

from sightwire.errors import InvalidInputError
from sightwire_trainer.data.grouping import grouped
from sightwire_trainer.data.neighbours import neighbours


class BatchOrder:
    """A permutation for each epoch, shared out among ranks, in batches whose sizes differ by one at most.

    Every sample is in one batch of an epoch; but all ranks have as many, so that up to `world_size` - 1 samples, others
    in each epoch, wait for the next. Even sizes keep the last batch from being too small for batch norms and negatives.

    With `negatives`, int64 [samples, at most], a `share` of the samples have theirs in their batch, those of all ranks
    taken together, as far as they are not in an earlier one.

    With `labels`, int64 [samples], 0 or more, up to `per_label` samples of equal ones are in one batch of all ranks.

    Raises:
        InvalidInputError: there are fewer samples than ranks.
    """

    def __init__(
        self,
        samples: int,
        batch_size: int,
        *,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
        labels: NDArray[np.int64] | None = None,
        per_label: int = 1,
        negatives: NDArray[np.int64] | None = None,
        share: float = 1.0,
    ) -> None:
        if samples < world_size:
            raise InvalidInputError(
                f"expected at least a sample to train on for each of {world_size} processes, there are {samples}"
            )
        self._samples = samples
        self._seed = seed
        self._rank = rank
        self._world_size = world_size
        self._of_rank = samples // world_size
        self._labels = labels
        self._per_label = per_label
        self._negatives = negatives
        self._share = share
        self._last_grouped: tuple[int, NDArray[np.int64]] | None = None
        self.batches_per_epoch = -(-self._of_rank // batch_size)

    def batch(self, epoch: int, batch: int) -> NDArray[np.int64]:
        """Numbers of the samples of a batch: int64 [up to batch_size]."""
        of_rank = self._of_all_ranks(epoch)[self._rank :: self._world_size]
        return of_rank[self._end_before(batch) : self._end_before(batch + 1)]

    def _of_all_ranks(self, epoch: int) -> NDArray[np.int64]:
        """A rank's are every `world_size`-th; batches of the same number lie side by side."""
        # Read once: another thread may be at another epoch.
        last = self._last_grouped
        if last is not None and last[0] == epoch:
            return last[1]
        random = np.random.default_rng((self._seed, epoch))
        order = random.permutation(self._samples)[: self._of_rank * self._world_size]
        if self._labels is not None and self._per_label > 1:
            order = neighbours(order, self._labels, self._per_label)
        if self._negatives is None:
            return order
        ends = [self._end_before(batch + 1) * self._world_size for batch in range(self.batches_per_epoch)]
        order = grouped(order, ends, self._negatives, random.random(self._samples) < self._share)
        self._last_grouped = (epoch, order)
        return order

    def _end_before(self, batch: int) -> int:
        return self._of_rank * batch // self.batches_per_epoch
