"""Trials that train: each in a process of its own, judged after each evaluation."""

import asyncio
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import optuna

from sightwire.contracts.training import RunState, TrainingCompleted, TrainingProgress
from sightwire.errors import InvalidInputError
from sightwire_trainer.hyperparameters.base_configuration import BaseConfiguration
from sightwire_trainer.hyperparameters.searching import (
    Completed,
    Failed,
    Interrupted,
    Pruned,
    StudyThread,
    TrialEnd,
)
from sightwire_trainer.hyperparameters.space import TrainingSpace, suggested
from sightwire_trainer.hyperparameters.study import first_number, reported_before
from sightwire_trainer.jobs.job import RefusedRun, TrainingJob
from sightwire_trainer.jobs.order import RunOrder

_MAX_DEATHS: Final = 2


@dataclass(slots=True)
class TrainingTrials:
    """Carries trials out in `folder`, where an interrupted one goes on.

    Args:
        threads: cores of one trial; 0 for all.
    """

    space: TrainingSpace
    base: BaseConfiguration
    folder: Path
    threads: int = 0
    cache: Path | None = None
    _jobs: set[TrainingJob] = field(default_factory=set)
    _is_interrupted: bool = False

    def interrupt(self) -> None:
        """All trials end after a checkpoint; asked for again, at once."""
        for job in self._jobs:
            if self._is_interrupted:
                job.kill()
            job.interrupt()
        self._is_interrupted = True

    async def carry_out(self, thread: StudyThread, trial: optuna.Trial) -> TrialEnd:
        """Trains with the trial's values until the end, or until the study prunes it."""
        values = await thread.do(lambda _study: suggested(self.space.parameters, trial))
        try:
            configuration = self.base.with_values(values)
        except InvalidInputError as error:
            return Failed(error.detail)
        number = first_number(trial)
        order = RunOrder(
            run=f"trial-{number}",
            configuration=configuration,
            folder=self.folder / f"{number:04d}",
            cache=self.cache,
            export=False,
            threads=self.threads,
        )
        judge = _Judge(thread, trial, configuration.select_by)
        job = TrainingJob(order, told=judge.told, max_deaths=_MAX_DEATHS)
        judging = asyncio.create_task(judge.judge(job))
        self._jobs.add(job)
        if self._is_interrupted:
            job.interrupt()
        try:
            completed = await job.carry_out()
        except RefusedRun as refusal:
            return Failed(refusal.reason)
        finally:
            self._jobs.discard(job)
            judge.finish()
            await judging
        return _end_of(completed, configuration.select_by, is_pruned=judge.has_pruned)


class _Judge:
    """Tells the study each new measure, and cancels the job when the study has seen enough."""

    def __init__(self, thread: StudyThread, trial: optuna.Trial, measure: str) -> None:
        self._thread = thread
        self._trial = trial
        self._measure = measure
        self._evaluations: asyncio.Queue[TrainingProgress | None] = asyncio.Queue()
        self.has_pruned = False

    def told(self, progress: TrainingProgress, is_evaluation: bool) -> None:
        if is_evaluation:
            self._evaluations.put_nowait(progress)

    def finish(self) -> None:
        self._evaluations.put_nowait(None)

    async def judge(self, job: TrainingJob) -> None:
        await self._thread.do(self._report_earlier)
        while (progress := await self._evaluations.get()) is not None:
            if await self._thread.do(partial(self._is_pruned, progress=progress)):
                self.has_pruned = True
                job.cancel()

    def _report_earlier(self, study: optuna.Study) -> None:
        for epochs, value in reported_before(study, self._trial).items():
            self._trial.report(value, epochs)

    def _is_pruned(self, _study: optuna.Study, *, progress: TrainingProgress) -> bool:
        # A measure that does not exist ends the run with an error of its own.
        if self._measure in progress.measures:
            self._trial.report(progress.measures[self._measure], progress.epoch + 1)
        return self._trial.should_prune()


def _end_of(completed: TrainingCompleted | None, measure: str, *, is_pruned: bool) -> TrialEnd:
    if is_pruned:
        return Pruned()
    if completed is None or completed.state is RunState.CANCELLED:
        return Interrupted()
    if completed.state is RunState.FAILED:
        return Failed(completed.reason or "the run failed")
    return Completed(completed.measures[measure])
