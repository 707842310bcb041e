"""How many steps a run has, and which batches each takes."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from sightwire_trainer.configuration import TrainingConfiguration
from sightwire_trainer.data.samples import Batch, BatchPosition


@dataclass(frozen=True, slots=True)
class StepPlan:
    """The steps of the optimiser in a run; the last step of an epoch takes what batches are left of it."""

    steps_per_epoch: int
    steps: int
    #: The first step, counted from 0, after which weights are averaged.
    first_averaged: int

    @classmethod
    def of(cls, configuration: TrainingConfiguration, batches_per_epoch: int) -> "StepPlan":
        steps_per_epoch = math.ceil(batches_per_epoch / configuration.accumulate)
        steps = steps_per_epoch * configuration.epochs
        begin = configuration.averaging.begin if configuration.averaging else 1.0
        return cls(steps_per_epoch, steps, math.floor(begin * steps))


def batches_of_steps(batches: Iterator[Batch], position: BatchPosition, accumulate: int) -> Iterator[list[Batch]]:
    """Groups of `accumulate` batches from `position` on; none goes beyond an epoch's end."""
    epoch = position.epoch
    group: list[Batch] = []
    for batch in batches:
        group.append(batch)
        if len(group) == accumulate or batch.following.epoch != epoch:
            yield group
            epoch, group = batch.following.epoch, []
