"""Asks a study for trials, has them carried out side by side, and tells it what came of them."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

import optuna
from optuna.trial import FrozenTrial, TrialState

from sightwire.errors import SightwireError
from sightwire_trainer.hyperparameters.study import REASON, finished_trials

#: Failures one after the other that make it likely that all trials will fail.
_HOPELESS: Final = 3

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Completed:
    """A trial came to its end."""

    value: float


@dataclass(frozen=True, slots=True)
class Pruned:
    """A trial was ended, since others did better."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A trial cannot be carried out."""

    reason: str


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A trial goes on when the study does."""


TrialEnd = Completed | Pruned | Failed | Interrupted


class StudyThread:
    """The one thread that uses a study: its storage is files, and not for threads that share it."""

    def __init__(self, study: optuna.Study) -> None:
        self.study = study
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="study")

    async def do(self, use: Callable[[optuna.Study], Answer]) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._pool, use, self.study)


CarryOut = Callable[[StudyThread, optuna.Trial], Awaitable[TrialEnd]]
Told = Callable[[FrozenTrial], None]


async def search(
    study: optuna.Study,
    carry_out: CarryOut,
    *,
    trials: int,
    workers: int,
    stopping: asyncio.Event,
    told: Told = lambda _trial: None,
) -> None:
    """Carries trials out until the study has `trials` that ended, earlier ones counted, or `stopping` is set.

    Raises:
        SightwireError: the first trials, or several in a row, failed; the message has the last one's reason.
    """
    thread = StudyThread(study)
    left = trials - len(await thread.do(finished_trials))
    failures = 0

    async def work() -> None:
        nonlocal left, failures
        while left > 0 and failures < _HOPELESS and not stopping.is_set():
            left -= 1
            trial = await thread.do(lambda study: study.ask())
            end = await carry_out(thread, trial)
            failures = failures + 1 if isinstance(end, Failed) else 0
            if not isinstance(end, Interrupted):
                told(await thread.do(partial(_tell, trial=trial, end=end)))

    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(work())
    if failures >= _HOPELESS:
        last = [trial for trial in await thread.do(finished_trials) if REASON in trial.user_attrs][-1]
        raise SightwireError(f"{failures} trials in a row failed; the last one: {last.user_attrs[REASON]}")


def _tell(study: optuna.Study, *, trial: optuna.Trial, end: TrialEnd) -> FrozenTrial:
    match end:
        case Completed(value):
            return study.tell(trial, value)
        case Pruned():
            return study.tell(trial, state=TrialState.PRUNED)
        case Failed(reason):
            trial.set_user_attr(REASON, reason)
            return study.tell(trial, state=TrialState.FAIL)
        case Interrupted():
            raise AssertionError("an interrupted trial is not over")
