"""Batches of training samples: the same for a seed, resumable anywhere, made ahead of the training by threads."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

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
        self, samples: SampleSource, configuration: TrainingConfiguration, *, rank: int = 0, world_size: int = 1
    ) -> None:
        data = configuration.data
        self._order = BatchOrder(
            len(samples), configuration.batch_size, seed=configuration.seed, rank=rank, world_size=world_size
        )
        size = data.loaded_size or configuration.model.size
        self._pictures = PictureMemory(samples, size=size, max_bytes=data.cache_bytes)
        self._captions = configuration.captions
        self._seed = configuration.seed
        self._workers = data.workers
        self._name = samples.name

    @property
    def batches_per_epoch(self) -> int:
        """As many on every rank."""
        return self._order.batches_per_epoch

    def from_position(self, position: BatchPosition) -> Iterator[Batch]:
        """Batches from there on, over all epochs to come; close the iterator, or leave it to be collected, to end it.

        Raises:
            CorruptDataError: a sample or its picture cannot be read, or pictures and texts are mixed.
        """
        if not self._workers:
            while True:
                batch = self._make(position)
                yield batch
                position = batch.following
        with ThreadPoolExecutor(self._workers, thread_name_prefix="batches") as threads:
            ahead: deque[Future[Batch]] = deque()
            try:
                while True:
                    # One for each thread, and one that is ready to be taken.
                    while len(ahead) <= self._workers:
                        ahead.append(threads.submit(self._make, position))
                        position = self._following(position)
                    yield ahead.popleft().result()
            finally:
                for made in ahead:
                    made.cancel()

    def _make(self, position: BatchPosition) -> Batch:
        numbers = self._order.batch(position.epoch, position.batch)
        samples: list[Sample] = []
        pictures: list[NDArray[np.uint8]] = []
        captions: list[str] = []
        for number in numbers.tolist():
            sample, pixels = self._pictures.get(number)
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
