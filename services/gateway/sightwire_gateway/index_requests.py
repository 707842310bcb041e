"""Bodies of requests about indexes and backups."""

from pydantic import BaseModel, ConfigDict, Field, RootModel

from sightwire.contracts.backups import BackupRetention
from sightwire.contracts.names import CollectionName
from sightwire.contracts.operations import Command
from sightwire.contracts.validation import GateThresholds


class OperationCommand(RootModel[Command]):
    """What to do; `kind` says which command it is."""


class PruneRequest(BaseModel):
    """Which backups may go."""

    model_config = ConfigDict(extra="forbid")

    collection: CollectionName | None = Field(default=None, description="Null: of all collections")
    retention: BackupRetention | None = Field(default=None, description="Null: as configured")


class RestoreRequest(BaseModel):
    """Where a backup is restored to."""

    model_config = ConfigDict(extra="forbid")

    into: CollectionName | None = Field(
        default=None, description="Collection, which need not exist; null: the one that it is of"
    )
    activate: bool = Field(default=True, description="Make it live once it has passed the gates")
    gates: GateThresholds | None = Field(default=None, description="Instead of the configured thresholds")
