"""Batches of training samples: the same for a seed, resumable anywhere, made ahead of the training by threads."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray

from sightwire.errors import CorruptDataError
from sightwire_trainer.configuration import TrainingConfiguration
from sightwire_trainer.data.batch_order import BatchOrder
from sightwire_trainer.data.captions import choose_caption
from sightwire_trainer.data.concepts import concept_number
from sightwire_trainer.data.picture_memory import PictureMemory
from sightwire_trainer.data.samples import Batch, BatchPosition, Sample, SampleSource


class Batches:
    """Batches of one rank, as `BatchOrder` puts them together; `configuration.batch_size` is of one rank.

    Pictures come at `configuration.data.loaded_size`. All samples are pictures, or all are texts.

    Raises:
        InvalidInputError: there are fewer samples than ranks.
    """

    def __init__(
        self,
        samples: SampleSource,
        configuration: TrainingConfiguration,
        *,
        rank: int = 0,
        world_size: int = 1,
        labels: NDArray[np.int64] | None = None,
    ) -> None:
        """`labels`, int64 [samples], are equal where concepts are: for `configuration.pictures_per_concept`."""
        data, hard_negatives = configuration.data, configuration.objective.hard_negatives
        self._ordered = partial(
            BatchOrder,
            len(samples),
            configuration.batch_size,
            seed=configuration.seed,
            rank=rank,
            world_size=world_size,
            labels=labels,
            per_label=configuration.pictures_per_concept,
            share=hard_negatives.share if hard_negatives else 1.0,
        )
        self._order = self._ordered()
        size = data.loaded_size or configuration.model.size
        #: Of all samples, whichever rank they are of.
        self.pictures = PictureMemory(samples, size=size, max_bytes=data.cache_bytes)
        self._captions = configuration.captions
        self._seed = configuration.seed
        self._workers = data.workers
        self._name = samples.name

    @property
    def batches_per_epoch(self) -> int:
        """As many on every rank."""
        return self._order.batches_per_epoch

    def bring_together(self, hard_negatives: NDArray[np.int64]) -> None:
        """From now on samples have theirs, int64 [samples, at most] with -1 for none, in their batches.

        No iterator may be in the midst of its batches.
        """
        self._order = self._ordered(negatives=hard_negatives)

    def from_position(self, position: BatchPosition, *, until_epoch: int | None = None) -> Iterator[Batch]:
        """Batches from there on, over all epochs to come, or those before `until_epoch`.

        Close the iterator, or leave it to be collected, to end it.

        Raises:
            CorruptDataError: a sample or its picture cannot be read, or pictures and texts are mixed.
        """
        positions = self._positions(position, until_epoch)
        if not self._workers:
            yield from map(self._make, positions)
            return
        with ThreadPoolExecutor(self._workers, thread_name_prefix="batches") as threads:
            # One for each thread, and one that is ready to be taken.
            ahead = deque(threads.submit(self._make, each) for each in islice(positions, self._workers + 1))
            try:
                while ahead:
                    yield ahead.popleft().result()
                    ahead.extend(threads.submit(self._make, each) for each in islice(positions, 1))
            finally:
                for made in ahead:
                    made.cancel()

    def _positions(self, position: BatchPosition, until_epoch: int | None) -> Iterator[BatchPosition]:
        while until_epoch is None or position.epoch < until_epoch:
            yield position
            position = self._following(position)

    def _make(self, position: BatchPosition) -> Batch:
        numbers = self._order.batch(position.epoch, position.batch)
        samples: list[Sample] = []
        pictures: list[NDArray[np.uint8]] = []
        captions: list[str] = []
        for number in numbers.tolist():
            sample, pixels = self.pictures.get(number)
            samples.append(sample)
            if pixels is not None:
                pictures.append(pixels)
            random = np.random.default_rng((self._seed, position.epoch, number))
            captions.append(choose_caption(sample, self._captions, random))
        if pictures and len(pictures) != len(samples):
            raise CorruptDataError(f"{self._name} has pictures and texts; train on one of them")
        return Batch(
            images=torch.from_numpy(np.stack(pictures)) if pictures else None,
            texts=None if pictures else tuple(sample.text or "" for sample in samples),
            captions=tuple(captions),
            concepts=torch.tensor([concept_number(sample) for sample in samples], dtype=torch.int64),
            following=self._following(position),
        )

    def _following(self, position: BatchPosition) -> BatchPosition:
        if position.batch + 1 < self.batches_per_epoch:
            return BatchPosition(position.epoch, position.batch + 1)
        return BatchPosition(position.epoch + 1, 0)
