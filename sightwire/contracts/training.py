"""What the trainer is asked for and what it tells: requests on `training.requested`, progress, completion."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, StringConstraints

RunName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]


class RunState(StrEnum):
    """How far a training run is; the last three are final."""

    RUNNING = "running"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"


class TrainingRequested(BaseModel):
    """Message on `training.requested`: train a model."""

    model_config = ConfigDict(frozen=True, extra="forbid", title="TrainingRequested")

    run: RunName = Field(description="Names the run, its folder and its progress; asked for twice it goes on, not anew")
    configuration: dict[str, Any] = Field(description="A training configuration: docs/training.md")
    requested_by: str = ""
    requested_at: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))


class TrainingProgress(BaseModel):
    """Message on `training.progress.<run>`: how far a run is."""

    model_config = ConfigDict(frozen=True, title="TrainingProgress")

    run: RunName
    step: NonNegativeInt
    steps: NonNegativeInt = Field(description="In all; early stopping may end the run before")
    epoch: NonNegativeInt
    loss: float | None = None
    learning_rate: NonNegativeFloat = 0.0
    samples_per_second: NonNegativeFloat = 0.0
    #: Measures of the last evaluation on the validation set, such as `text_to_image_recall_at_1`.
    measures: dict[str, float] = Field(default_factory=dict)
    seconds_left: NonNegativeFloat | None = None
    at: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))


class TrainingCompleted(BaseModel):
    """Message on `training.completed`: a run has ended, well or not, or a request for it was cancelled while it waited.

    A trainer that gets a request whose end is told already does not begin with it.
    """

    model_config = ConfigDict(frozen=True, title="TrainingCompleted")

    run: RunName
    state: RunState
    request: NonNegativeInt | None = Field(
        default=None, description="Sequence in the stream TRAINING of the request that this answers"
    )
    reason: str | None = Field(default=None, description="Why it failed")
    bundle: str | None = Field(default=None, description="Where the model bundle lies")
    bundle_sha256: str | None = Field(default=None, description="Of its bundle.yaml, which has those of all its files")
    measures: dict[str, float] = Field(default_factory=dict)
    steps: NonNegativeInt = 0
    seconds: NonNegativeFloat = 0.0
    at: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))


class TrainingRun(BaseModel):
    """A run as callers see it: what became of the last request for it."""

    model_config = ConfigDict(frozen=True, title="TrainingRun")

    run: RunName
    state: Literal["waiting", "running", "completed", "cancelled", "failed"]
    step: NonNegativeInt = 0
    steps: NonNegativeInt | None = Field(default=None, description="In all; early stopping may end the run before")
    loss: float | None = None
    samples_per_second: NonNegativeFloat | None = Field(default=None, description="While it runs")
    seconds_left: NonNegativeFloat | None = Field(default=None, description="While it runs")
    measures: dict[str, float] = Field(default_factory=dict, description="Of the last evaluation; once ended, the best")
    bundle: str | None = Field(default=None, description="Where the model bundle lies, for the trainer")
    reason: str | None = Field(default=None, description="Why it failed")
    at: AwareDatetime | None = Field(default=None, description="When this was told; none of a run that waits")

    @property
    def has_ended(self) -> bool:
        return self.state not in ("waiting", "running")


class CancelTraining(BaseModel):
    """Request on `control.training.<run>`: end the run after a checkpoint. Asked for again it goes on from there.

    Answered at once with the run's last TrainingProgress, or null before its first step; `training.completed` follows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", title="CancelTraining")

    ask: Literal["cancel"] = "cancel"
