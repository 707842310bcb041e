"""Operations on an index: what can be asked for, and how far it has come.

The indexer that owns a collection carries its operations out, one at a time. Each is a record in the `operations`
bucket, and each change of it an event on `index.build.<collection>`.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, StringConstraints

from sightwire.contracts.collections import IndexParameters
from sightwire.contracts.names import CollectionName, GenerationName
from sightwire.contracts.validation import GateThresholds

BackupId = Annotated[str, StringConstraints(pattern=r"^[0-9a-z][0-9a-z-]{0,62}$")]


class _Command(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Rebuild(_Command):
    """Builds a new generation from the stored vectors, validates it and, if asked to, makes it live."""

    kind: Literal["rebuild"] = "rebuild"
    index: IndexParameters | None = Field(default=None, description="Of the new generation; none: as the live one")
    activate: bool = Field(default=True, description="Make it live once it has passed the gates")
    gates: GateThresholds | None = Field(default=None, description="Instead of the configured thresholds")
    timeout_seconds: PositiveFloat | None = Field(default=None, description="None: as configured")
    threads: PositiveInt | None = Field(default=None, description="Of the building process; none: as configured")
    memory_bytes: PositiveInt | None = Field(
        default=None, description="Limit of the building process; none: as configured"
    )


class Validate(_Command):
    """Puts a generation through the gates and keeps the report."""

    kind: Literal["validate"] = "validate"
    generation: GenerationName | None = Field(default=None, description="None: the live one")
    gates: GateThresholds | None = Field(default=None, description="Instead of the configured thresholds")


class Switch(_Command):
    """Makes another generation live; what was ingested meanwhile is carried over."""

    kind: Literal["switch"] = "switch"
    generation: GenerationName
    validate_first: bool = Field(default=True, description="Refuse unless it passes the gates")
    carry_over: bool = Field(default=True, description="Without: the generation comes back as it was stored")
    follow_seconds: PositiveFloat = Field(default=30.0, description="How long searchers have to follow")


class Rollback(_Command):
    """Makes a kept generation live again, without gates: the way back has to be quick."""

    kind: Literal["rollback"] = "rollback"
    generation: GenerationName | None = Field(default=None, description="None: the one that was live before")
    carry_over: bool = Field(default=True, description="Without: later changes are lost")
    follow_seconds: PositiveFloat = Field(default=30.0, description="How long searchers have to follow")


class Backup(_Command):
    """Copies the live generation into the backup store; segments that it has already are not copied again."""

    kind: Literal["backup"] = "backup"
    prune: bool = Field(default=True, description="Remove backups that are past the configured retention afterwards")


class Restore(_Command):
    """Brings a backup back as a new generation, validates it and, if asked to, makes it live."""

    kind: Literal["restore"] = "restore"
    backup: BackupId
    activate: bool = Field(default=True, description="Make it live once it has passed the gates")
    gates: GateThresholds | None = Field(default=None, description="Instead of the configured thresholds")


class Scan(_Command):
    """Reads every file of every segment and compares checksums."""

    kind: Literal["scan"] = "scan"


Command = Annotated[
    Rebuild | Validate | Switch | Rollback | Backup | Restore | Scan,
    Field(discriminator="kind"),
]


class OperationState(StrEnum):
    """How an operation stands."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self is not OperationState.RUNNING


class Progress(BaseModel):
    """What an operation is doing, and how much of it is done."""

    model_config = ConfigDict(frozen=True)

    stage: str = Field(examples=["building"])
    done: int = Field(default=0, ge=0)
    total: int = Field(default=0, ge=0, description="0 while unknown")
    unit: str = Field(default="", examples=["vectors", "segments", "bytes"])


class OperationRecord(BaseModel):
    """Value in the `operations` bucket, and message on `index.build.<collection>` whenever it changes."""

    model_config = ConfigDict(frozen=True, title="OperationRecord")

    id: str
    collection: CollectionName
    collection_uid: str
    command: Command
    requested_by: str = Field(examples=["api", "schedule nightly"])
    state: OperationState = OperationState.RUNNING
    progress: Progress = Progress(stage="starting")
    #: How often it was begun: more than once after a crash, from where it had come to.
    attempts: int = Field(default=1, ge=1)
    created_at: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
    updated_at: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
    finished_at: AwareDatetime | None = None
    #: Why it failed.
    error: str | None = None
    #: What the step that runs needs to go on after a crash; its own affair.
    memory: dict[str, Any] = Field(default_factory=dict)
    #: What came of it: `generation`, `manifest_version`, `report` (key), `backup` …
    result: dict[str, Any] = Field(default_factory=dict)
