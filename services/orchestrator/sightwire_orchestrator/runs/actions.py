"""What is to be done about a run now."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, NonNegativeInt, PositiveInt, TypeAdapter

from sightwire.contracts.pipelines import ReviewDemand, RunId, TaskName, TaskOrder
from sightwire_orchestrator.runs.events import AttemptStarted, AttemptTimedOut, Consequence, ReviewAsked, RunEnded
from sightwire_orchestrator.runs.state import Ending


class _Action(BaseModel):
    model_config = ConfigDict(frozen=True)

    @property
    def event(self) -> Consequence | None:
        """What happens to the run by it."""
        return None


class SendOrder(_Action):
    """Have an attempt carried out, or answer it from a cache."""

    kind: Literal["send_order"] = "send_order"
    order: TaskOrder

    @property
    def event(self) -> AttemptStarted:
        order = self.order
        return AttemptStarted(task=order.task, element=order.element, attempt=order.attempt, deadline=order.deadline)


class CancelAttempt(_Action):
    """Tell the worker that nobody waits for an attempt any longer."""

    kind: Literal["cancel_attempt"] = "cancel_attempt"
    run: RunId
    task: TaskName
    element: NonNegativeInt | None
    attempt: PositiveInt
    reason: Literal["attempt timed out", "run ends"]

    @property
    def event(self) -> AttemptTimedOut | None:
        if self.reason == "run ends":
            return None
        return AttemptTimedOut(task=self.task, element=self.element, attempt=self.attempt)


class AskForReview(_Action):
    """Have a person decide about a task's output."""

    kind: Literal["ask_for_review"] = "ask_for_review"
    run: RunId
    task: TaskName
    round: PositiveInt
    demand: ReviewDemand
    output: JsonValue
    #: What was said in the round before.
    last_comment: str | None

    @property
    def event(self) -> ReviewAsked:
        return ReviewAsked(task=self.task, round=self.round)


class WithdrawReview(_Action):
    """Tell reviewers that nobody waits for their decision any longer."""

    kind: Literal["withdraw_review"] = "withdraw_review"
    run: RunId
    task: TaskName
    round: PositiveInt


class EndRun(_Action):
    """Tell everyone of the end of the run."""

    kind: Literal["end_run"] = "end_run"
    run: RunId
    ending: Ending
    results: dict[str, JsonValue]

    @property
    def event(self) -> RunEnded:
        return RunEnded(ending=self.ending, results=self.results)


class Note(_Action):
    """Nothing to do outside; something follows for the run."""

    kind: Literal["note"] = "note"
    consequence: Consequence = Field(discriminator="kind")

    @property
    def event(self) -> Consequence:
        return self.consequence


class WakeAt(_Action):
    """Look at the run again then, if nothing happens before."""

    kind: Literal["wake_at"] = "wake_at"
    at: AwareDatetime


Action = SendOrder | CancelAttempt | AskForReview | WithdrawReview | EndRun | Note | WakeAt

#: Reads and writes actions as JSON.
ACTIONS: TypeAdapter[Action] = TypeAdapter(Annotated[Action, Field(discriminator="kind")])
