"""Schedules: operations that are repeated, when, and what became of them."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveInt, StringConstraints

from sightwire.contracts.names import CollectionName
from sightwire.contracts.operations import Command

ScheduleName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]


class ScheduleSpec(BaseModel):
    """What a user asks for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cron: str = Field(description="Minute, hour, day of month, month, day of week", examples=["30 3 * * 1"])
    time_zone: str = Field(default="UTC", description="IANA name", examples=["Europe/Berlin"])
    jitter_seconds: NonNegativeFloat = Field(default=0.0, description="Each run starts up to so much later, at random")
    command: Command
    cooldown_seconds: NonNegativeFloat = Field(default=600.0, description="After a failure nothing runs for so long")
    max_failures: PositiveInt = Field(default=3, description="So many failures in a row pause the schedule")


class Outcome(StrEnum):
    """How a run of a schedule ended."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    #: Not begun: another operation was running, or the schedule was cooling down.
    SKIPPED = "skipped"


class ScheduledRun(BaseModel):
    """One run, past or present."""

    model_config = ConfigDict(frozen=True)

    #: When it was due; for a manual run when it was asked for.
    due_at: AwareDatetime
    started_at: AwareDatetime | None = None
    finished_at: AwareDatetime | None = None
    outcome: Outcome
    #: What set it off: `cron`, `api`, `cli`, `event`.
    trigger: str = "cron"
    operation: str | None = None
    reason: str | None = None


class ScheduleRecord(BaseModel):
    """Value in the `schedules` bucket, by `<collection>.<name>`; only the collection's owner writes it."""

    model_config = ConfigDict(frozen=True)

    name: ScheduleName
    collection: CollectionName
    collection_uid: str
    spec: ScheduleSpec
    created_at: AwareDatetime
    #: Why it does not run by itself any more; None while it does.
    paused: str | None = None
    next_run_at: AwareDatetime | None = None
    consecutive_failures: int = Field(default=0, ge=0)
    cooling_until: AwareDatetime | None = None
    #: Newest last.
    runs: tuple[ScheduledRun, ...] = Field(default=(), max_length=50)


class Calendar(BaseModel):
    """Past and next runs of a schedule."""

    model_config = ConfigDict(frozen=True)

    schedule: ScheduleRecord
    #: As the clock of the schedule's time zone shows them; jitter comes on top.
    upcoming: tuple[datetime, ...]


class SchedulePaused(BaseModel):
    """Message on `index.schedule.<collection>`: a schedule failed too often and was paused."""

    model_config = ConfigDict(frozen=True, title="SchedulePaused")

    collection: CollectionName
    schedule: ScheduleName
    consecutive_failures: int
    reason: str
    paused_at: AwareDatetime
