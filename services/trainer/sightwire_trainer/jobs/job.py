"""A run as a job: processes that carry it out, one after the other if they die, until it has ended."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from enum import Enum, auto

from sightwire.contracts.training import RunState, TrainingCompleted, TrainingProgress
from sightwire_trainer.jobs.deaths import Deaths, reason_of_death
from sightwire_trainer.jobs.order import Evaluated, RunEnded, RunFailed, RunMessage, RunOrder
from sightwire_trainer.jobs.run_process import RunProcess

logger = logging.getLogger(__name__)

#: Told of each step, and of each evaluation with `is_evaluation`.
Told = Callable[[TrainingProgress, bool], None]


class _Wish(Enum):
    """What became of the wish that the run goes on."""

    GO_ON = auto()
    #: To go on some other time.
    INTERRUPT = auto()
    CANCEL = auto()


class RefusedRun(Exception):  # noqa: N818  not an error of the run, which is as it was
    """The order does not fit the run that its folder has."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class TrainingJob:
    """Call `carry_out` once. Progress has the measures of the last evaluation even between evaluations."""

    def __init__(
        self,
        order: RunOrder,
        *,
        told: Told,
        died: Callable[[], None] = lambda: None,
        max_deaths: int,
    ) -> None:
        self._order = order
        self._told = told
        self._died = died
        self._max_deaths = max_deaths
        self._wish = _Wish.GO_ON
        self._wish_changed = asyncio.Event()
        self._process: RunProcess | None = None
        self._measures: dict[str, float] = {}
        self.progress: TrainingProgress | None = None

    @property
    def process_id(self) -> int | None:
        """Of the process that carries the run out now."""
        return self._process.process_id if self._process is not None else None

    def cancel(self) -> None:
        """Ends the run after a checkpoint."""
        self._end(_Wish.CANCEL)

    def interrupt(self) -> None:
        """Ends the run after a checkpoint; it is to go on some other time."""
        if self._wish is _Wish.GO_ON:
            self._end(_Wish.INTERRUPT)

    def kill(self) -> None:
        """Ends the process at once, wherever it is."""
        if self._process is not None:
            self._process.kill()

    async def carry_out(self) -> TrainingCompleted | None:
        """How the run has ended; None when it was interrupted.

        Raises:
            RefusedRun: the run's folder has a run of another configuration.
        """
        started = asyncio.get_running_loop().time()
        deaths = Deaths()
        while True:
            end, exit_status = await self._in_one_process()
            seconds = asyncio.get_running_loop().time() - started
            if isinstance(end, RunFailed):
                return self._failed(end, seconds)
            if isinstance(end, RunEnded) and end.completed.state is RunState.COMPLETED:
                return end.completed.model_copy(update={"seconds": seconds})
            step = self.progress.step if self.progress else 0
            if self._wish is _Wish.CANCEL:
                cancelled = self._completed(RunState.CANCELLED, seconds)
                return end.completed.model_copy(update={"seconds": seconds}) if end else cancelled
            if self._wish is _Wish.INTERRUPT:
                return None
            deaths = deaths.after(step)
            self._died()
            logger.warning(
                "the process of a run died",
                extra={"run": self._order.run, "exit_status": exit_status, "step": step, "deaths": deaths.in_a_row},
            )
            if deaths.are_too_many(self._max_deaths):
                return self._completed(RunState.FAILED, seconds, reason=reason_of_death(exit_status, deaths))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wish_changed.wait(), deaths.pause_seconds)

    async def _in_one_process(self) -> tuple[RunEnded | RunFailed | None, int]:
        """The last word of a process, None from one that died without any, and its exit status."""
        if self._wish is not _Wish.GO_ON:
            return None, 0
        process = self._process = await RunProcess.start(self._order)
        end: RunEnded | RunFailed | None = None
        try:
            if self._wish is not _Wish.GO_ON:
                process.ask_to_end()
            async for message in process.messages():
                end = self._heard(message) or end
            return end, await process.wait()
        finally:
            process.kill()
            self._process = None

    def _heard(self, message: RunMessage) -> RunEnded | RunFailed | None:
        if isinstance(message, RunEnded | RunFailed):
            return message
        is_evaluation = isinstance(message, Evaluated)
        if is_evaluation:
            self._measures = message.progress.measures
        self.progress = message.progress.model_copy(update={"measures": self._measures})
        self._told(self.progress, is_evaluation)
        return None

    def _end(self, wish: _Wish) -> None:
        self._wish = wish
        self._wish_changed.set()
        if self._process is not None:
            self._process.ask_to_end()

    def _failed(self, failure: RunFailed, seconds: float) -> TrainingCompleted:
        if failure.refused:
            raise RefusedRun(failure.code, failure.detail)
        return self._completed(RunState.FAILED, seconds, reason=failure.detail)

    def _completed(self, state: RunState, seconds: float, *, reason: str | None = None) -> TrainingCompleted:
        return TrainingCompleted(
            run=self._order.run,
            state=state,
            reason=reason,
            measures=self._measures,
            steps=self.progress.step if self.progress else 0,
            seconds=seconds,
        )
