"""What is known of a run. Everything here is a value: a change makes a new one, which shares what stayed as it was."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, JsonValue

from sightwire.contracts.pipelines import (
    PipelineName,
    PipelineRunState,
    RunId,
    TaskError,
    TaskName,
    TaskState,
)
from sightwire_orchestrator.runs.agenda import Agenda
from sightwire_orchestrator.runs.pages import Pages, length_of, value_at, with_value


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """What one order is for: a task, or one element of a mapped task."""

    #: Never in review, never skipped: tasks are.
    state: TaskState = TaskState.WAITING
    #: Number of the last attempt that began; 0 before the first. Numbers are never used twice in a run.
    attempt: int = 0
    #: Attempts that count no more, because the task was begun anew after them.
    spent: int = 0
    #: Running: when the attempt ends at the latest. Retrying: when the next attempt may begin.
    due: AwareDatetime | None = None
    #: Of the last attempt.
    started_at: AwareDatetime | None = None
    ended_at: AwareDatetime | None = None
    #: Of the last attempt that failed; None once the unit has succeeded.
    error: TaskError | None = None
    #: Whether its output came from the cache.
    cached: bool = False
    #: Until the whole task is done and has its outputs.
    output: JsonValue = None

    @property
    def attempts_made(self) -> int:
        """Attempts that count."""
        return self.attempt - self.spent

    def begun_anew(self) -> "Unit":
        """Waiting, with all its attempts before it."""
        return Unit(attempt=self.attempt, spent=self.attempt)


class ReviewState(StrEnum):
    """How the review of a task's output stands."""

    DUE = "due"
    ASKED = "asked"
    DECIDED = "decided"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewRecord:
    """The last review of a task's output."""

    state: ReviewState = ReviewState.DUE
    #: Which review of this task it is, from 1: a decision names it.
    round: int = 1
    #: How often changes were asked for.
    changes: int = 0
    #: What a reviewer said last.
    comment: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRecord:
    """How a task of the run stands."""

    state: TaskState = TaskState.WAITING
    #: Tasks whose end it still waits for.
    open_dependencies: int = 0
    #: How many units it has; None for a mapped task before its list is known.
    size: int | None = None
    #: Those that have begun; the others wait.
    units: Pages[Unit] = ()
    #: The first unit that has not begun since the task was begun (anew); those before it have.
    next_unit: int = 0
    #: Units that have neither succeeded nor failed for good.
    open_units: int = 0
    #: Units of an optional task that failed for good.
    failed_units: int = 0
    started_at: AwareDatetime | None = None
    ended_at: AwareDatetime | None = None
    #: Of a mapped task a list, with null for elements that failed.
    output: JsonValue = None
    error: TaskError | None = None
    review: ReviewRecord | None = None

    def unit(self, index: int) -> Unit:
        """The unit at `index`, begun or not."""
        return value_at(self.units, index) if index < length_of(self.units) else Unit()

    def with_unit(self, index: int, unit: Unit, **changes: Any) -> "TaskRecord":
        """With another unit at `index`, and other values of its own fields."""
        return replace(self, units=with_value(self.units, index, unit), **changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a run ends, and why."""

    state: PipelineRunState
    #: The task that it failed by.
    task: TaskName | None = None
    #: None if it succeeded.
    error: TaskError | None = None


class Run(BaseModel):
    """One execution of a pipeline."""

    model_config = ConfigDict(frozen=True)

    id: RunId
    pipeline: PipelineName
    version: str
    parameters: dict[str, JsonValue]
    state: PipelineRunState = PipelineRunState.RUNNING
    #: Number of events that were applied.
    sequence: int = 0
    tasks: dict[TaskName, TaskRecord]
    #: Positions in the definition, ascending, of tasks that wait for no other task and have units that have not begun.
    ready: tuple[int, ...]
    #: When running attempts end at the latest: one entry for each.
    deadlines: Agenda = ()
    #: When units that failed may be tried again.
    retries: Agenda = ()
    #: Tasks in review of which no reviewer was asked yet.
    reviews_due: tuple[TaskName, ...] = ()
    #: Tasks that have not ended.
    unfinished: int
    started_at: AwareDatetime
    #: Of the whole run. It moves by the length of each pause.
    deadline: AwareDatetime | None = None
    paused_at: AwareDatetime | None = None
    ended_at: AwareDatetime | None = None
    #: Set when it is clear how the run ends; from then on nothing begins.
    ending: Ending | None = None
    #: What `output_mapping` says.
    results: dict[str, JsonValue] = {}
    #: W3C trace context of its beginning, which its attempts follow; empty when it is not recorded.
    traceparent: str = ""

    @property
    def running_units(self) -> int:
        """How many attempts run now."""
        return len(self.deadlines)
