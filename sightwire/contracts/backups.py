"""Backups: what one is, as callers see it."""

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, NonNegativeInt, PositiveFloat, PositiveInt

from sightwire.contracts.collections import CollectionRecord


class BackupSummary(BaseModel):
    """A backup of one collection at one moment."""

    model_config = ConfigDict(frozen=True)

    id: str
    created_at: AwareDatetime
    collection: CollectionRecord
    generation: str
    space: str
    manifest_version: int
    items: NonNegativeInt
    segments: NonNegativeInt
    #: Of its segments as they are in use.
    bytes: NonNegativeInt
    #: Of all it needs in the backup store, compressed.
    stored_bytes: NonNegativeInt
    #: Of those, what no earlier backup had stored.
    added_bytes: NonNegativeInt
    encrypted: bool


class BackupRetention(BaseModel):
    """Which backups of a collection stay; those that either limit protects. The newest always stays."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keep: PositiveInt | None = Field(default=None, description="So many newest ones")
    keep_seconds: PositiveFloat | None = Field(default=None, description="Those that are younger")


class BackupVerification(BaseModel):
    """What reading a backup back showed."""

    model_config = ConfigDict(frozen=True)

    backup: str
    files: NonNegativeInt
    bytes: NonNegativeInt
    #: What is missing or damaged, in words.
    problems: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.problems
