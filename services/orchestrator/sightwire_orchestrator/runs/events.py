"""What can happen to a run. A run is what its events, applied one after the other, made of it."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, NonNegativeInt, PositiveInt, TypeAdapter

from sightwire.contracts.pipelines import TaskError, TaskName, TaskResult
from sightwire_orchestrator.runs.state import Ending


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True)


class ResultArrived(_Event):
    """A worker, or a cache, said what became of an attempt."""

    kind: Literal["result_arrived"] = "result_arrived"
    result: TaskResult


@dataclass(frozen=True, slots=True)
class EditedOutput:
    """What a reviewer made of an output. None is a value like others."""

    value: JsonValue


class ReviewDecided(_Event):
    """A person decided about a task's output."""

    kind: Literal["review_decided"] = "review_decided"
    task: TaskName
    round: PositiveInt
    decision: Literal["approve", "reject", "changes"]
    reviewer: str
    comment: str = ""
    #: With approval: what takes the place of the task's output.
    edited: EditedOutput | None = None


class RunPaused(_Event):
    """Nothing is to begin; what runs goes on."""

    kind: Literal["run_paused"] = "run_paused"
    by: str = ""


class RunResumed(_Event):
    """The pause is over."""

    kind: Literal["run_resumed"] = "run_resumed"
    by: str = ""


class RunCancelled(_Event):
    """The run is to end at once."""

    kind: Literal["run_cancelled"] = "run_cancelled"
    by: str = ""
    reason: str = ""


class RunRetried(_Event):
    """The run is to go on from where it failed or was cancelled."""

    kind: Literal["run_retried"] = "run_retried"
    by: str = ""


class AttemptStarted(_Event):
    """An attempt was ordered."""

    kind: Literal["attempt_started"] = "attempt_started"
    task: TaskName
    element: NonNegativeInt | None = None
    attempt: PositiveInt
    deadline: AwareDatetime


class AttemptTimedOut(_Event):
    """No result came in time; it is waited for no longer."""

    kind: Literal["attempt_timed_out"] = "attempt_timed_out"
    task: TaskName
    element: NonNegativeInt | None = None
    attempt: PositiveInt


class TaskSkipped(_Event):
    """A task's condition is false."""

    kind: Literal["task_skipped"] = "task_skipped"
    task: TaskName


class TaskMapped(_Event):
    """It is known how many elements a mapped task has."""

    kind: Literal["task_mapped"] = "task_mapped"
    task: TaskName
    size: NonNegativeInt


class TaskRefused(_Event):
    """A task, or one element of it, cannot be ordered: its texts make no sense with the values they meet."""

    kind: Literal["task_refused"] = "task_refused"
    task: TaskName
    #: None: the whole task.
    element: NonNegativeInt | None = None
    error: TaskError


class ReviewAsked(_Event):
    """A review was asked for."""

    kind: Literal["review_asked"] = "review_asked"
    task: TaskName
    round: PositiveInt


class RunTimedOut(_Event):
    """The time for the whole run is over."""

    kind: Literal["run_timed_out"] = "run_timed_out"


class RunEnded(_Event):
    """Nothing more will happen, unless the run is retried."""

    kind: Literal["run_ended"] = "run_ended"
    ending: Ending
    results: dict[str, JsonValue] = {}


#: What comes from outside.
Message = ResultArrived | ReviewDecided | RunPaused | RunResumed | RunCancelled | RunRetried

#: What follows from the state of the run, as `decide` says.
Consequence = (
    AttemptStarted | AttemptTimedOut | TaskSkipped | TaskMapped | TaskRefused | ReviewAsked | RunTimedOut | RunEnded
)

Event = Message | Consequence

#: Reads and writes events as JSON.
EVENTS: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="kind")])
