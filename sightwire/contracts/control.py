"""Requests to indexers by NATS request and reply, JSON both ways.

`control.index.<collection>` is answered by the indexer that owns the collection's index, `control.indexers` by any one
indexer. For a collection with shadows it is that of the index that answers; shadows are asked by their own names, too.
A request without a reply subject is carried out as well: so an event can set a schedule off.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt

from sightwire.contracts.backups import BackupRetention
from sightwire.contracts.collections import IndexParameters
from sightwire.contracts.names import CollectionName, GenerationName
from sightwire.contracts.operations import BackupId, Command
from sightwire.contracts.schedules import ScheduleName, ScheduleSpec


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StartOperation(_Request):
    """Answered by the OperationRecord, which runs. Refused while another operation of the collection does."""

    ask: Literal["start"] = "start"
    command: Command
    requested_by: str = "api"


class CancelOperation(_Request):
    """Answered by the OperationRecord once it has ended."""

    ask: Literal["cancel"] = "cancel"
    operation: str


class ListGenerations(_Request):
    """Answered by GenerationList."""

    ask: Literal["generations"] = "generations"


class ForgetGeneration(_Request):
    """Forgets a generation that is not live. Answered by GenerationList."""

    ask: Literal["forget_generation"] = "forget_generation"
    generation: GenerationName


class ReadReport(_Request):
    """Answered by the newest ValidationReport of a generation."""

    ask: Literal["report"] = "report"
    generation: GenerationName


class PutSchedule(_Request):
    """Answered by the ScheduleRecord."""

    ask: Literal["put_schedule"] = "put_schedule"
    name: ScheduleName
    spec: ScheduleSpec


class ReadCalendar(_Request):
    """Answered by a Calendar."""

    ask: Literal["calendar"] = "calendar"
    name: ScheduleName
    upcoming: int = Field(default=10, ge=0, le=1000)


class ActOnSchedule(_Request):
    """Answered by the ScheduleRecord as it is afterwards (for `delete`: as it was). `resume` forgets failures."""

    ask: Literal["schedule"] = "schedule"
    name: ScheduleName
    action: Literal["run", "pause", "resume", "delete"]
    trigger: str = "event"


class Diagnose(_Request):
    """Answered by a Diagnosis of the collection."""

    ask: Literal["diagnose"] = "diagnose"


class CompareItems(_Request):
    """Which items the index of the name that is asked lacks beside the one that answers. Answered by a Coverage.

    Asked of a shadow, or of a collection whose own index is kept while a shadow answers.
    """

    ask: Literal["compare_items"] = "compare_items"
    sample: int = Field(default=1000, ge=0, le=100_000, description="Items to name, of each kind")


IndexRequest = Annotated[
    CompareItems
    | StartOperation
    | CancelOperation
    | ListGenerations
    | ForgetGeneration
    | ReadReport
    | PutSchedule
    | ReadCalendar
    | ActOnSchedule
    | Diagnose,
    Field(discriminator="ask"),
]


class ListBackups(_Request):
    """Answered by a list of BackupSummary, newest first."""

    ask: Literal["backups"] = "backups"
    collection: CollectionName | None = None


class VerifyBackup(_Request):
    """Reads a backup back and answers with a BackupVerification; may take as long as its bytes take to be read."""

    ask: Literal["verify_backup"] = "verify_backup"
    backup: BackupId


class PruneBackups(_Request):
    """Answered by a list of BackupSummary: those that went."""

    ask: Literal["prune_backups"] = "prune_backups"
    collection: CollectionName | None = None
    retention: BackupRetention | None = Field(default=None, description="None: as configured")


class PrepareRestore(_Request):
    """Registers the collection that a backup is to be restored into unless it exists. Answered by its CollectionRecord.

    The restoration itself is an operation of that collection.
    """

    ask: Literal["prepare_restore"] = "prepare_restore"
    backup: BackupId
    into: CollectionName | None = Field(default=None, description="None: the collection that it is of")


IndexersRequest = Annotated[ListBackups | VerifyBackup | PruneBackups | PrepareRestore, Field(discriminator="ask")]


class ControlReply(BaseModel):
    """What comes back: an answer, or the error with the code and the words of `sightwire.errors`."""

    model_config = ConfigDict(frozen=True)

    answer: Any = None
    error_code: str | None = None
    #: Codes of what the error is more generally, the nearest first: for those who do not know the code itself.
    error_kinds: tuple[str, ...] = ()
    error: str | None = None


class Generation(BaseModel):
    """A generation as callers see it."""

    model_config = ConfigDict(frozen=True)

    name: str
    #: `live`, or a state of `GenerationState`.
    state: str
    space: str
    index: IndexParameters
    #: When it was made, or ceased to be live.
    created_at: str
    items: NonNegativeInt
    segments: NonNegativeInt
    disk_bytes: NonNegativeInt
    reason: str
    #: Whether it passed the gates; None if it never came to them.
    validated: bool | None = None


class GenerationList(BaseModel):
    """Generations of a collection by number."""

    model_config = ConfigDict(frozen=True)

    collection: CollectionName
    live: str
    manifest_version: int
    generations: tuple[Generation, ...]


class Finding(BaseModel):
    """One thing that a doctor looked at."""

    model_config = ConfigDict(frozen=True)

    check: str = Field(examples=["disk", "segments", "memory limits"])
    status: Literal["ok", "warning", "problem"]
    detail: str
    #: What to do about it; empty when all is well.
    advice: str = ""


class Diagnosis(BaseModel):
    """What an indexer finds about itself and about a collection that it owns."""

    model_config = ConfigDict(frozen=True)

    collection: CollectionName
    findings: tuple[Finding, ...]
