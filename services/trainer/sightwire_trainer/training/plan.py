"""How many steps a run has, and which batches each takes."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from sightwire_trainer.configuration import PictureSize, TrainingConfiguration
from sightwire_trainer.data.samples import Batch, BatchPosition


@dataclass(frozen=True, slots=True)
class StepPlan:
    """The steps of the optimiser in a run; the last step of an epoch takes what batches are left of it."""

    steps_per_epoch: int
    steps: int
    #: The first step, counted from 0, after which weights are averaged.
    first_averaged: int
    #: The first step, counted from 0, in which the trunk learns.
    first_of_trunk: int
    #: First steps of pictures of each size, in their order.
    sizes: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, configuration: TrainingConfiguration, batches_per_epoch: int) -> "StepPlan":
        steps_per_epoch = math.ceil(batches_per_epoch / configuration.accumulate)
        steps = steps_per_epoch * configuration.epochs
        begin = configuration.averaging.begin if configuration.averaging else 1.0
        sizes = configuration.sizes or (PictureSize(begin=0, size=configuration.model.size),)
        return cls(
            steps_per_epoch,
            steps,
            first_averaged=math.floor(begin * steps),
            first_of_trunk=steps_per_epoch * configuration.optimiser.frozen_trunk_epochs,
            sizes=tuple((math.floor(part.begin * steps), part.size) for part in sizes),
        )

    def size_at(self, step: int) -> int:
        """Pixels of each side of pictures in a step, counted from 0."""
        return [size for first, size in self.sizes if first <= step][-1]


def batches_of_steps(batches: Iterator[Batch], position: BatchPosition, accumulate: int) -> Iterator[list[Batch]]:
    """Groups of `accumulate` batches from `position` on; none goes beyond an epoch's end."""
    epoch = position.epoch
    group: list[Batch] = []
    for batch in batches:
        group.append(batch)
        if len(group) == accumulate or batch.following.epoch != epoch:
            yield group
            epoch, group = batch.following.epoch, []
