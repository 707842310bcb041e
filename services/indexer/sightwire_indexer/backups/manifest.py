"""`backup.json`: what a backup holds and the checksum of each of its files, written last, so that it is whole."""

import hashlib
from typing import Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from sightwire.contracts.backups import BackupSummary
from sightwire.contracts.collections import CollectionRecord, IndexParameters
from sightwire.contracts.operations import BackupId
from sightwire.errors import CorruptDataError
from sightwire.segments.description import DESCRIPTION_FILE
from sightwire.segments.manifest import SegmentEntry
from sightwire_indexer.backups.layout import BackupLayout, FileName

BACKUP_FORMAT_VERSION: Final = 1
_SHA256: Final = r"^[0-9a-f]{64}$"
# The checksum stands in front of the exact bytes that it is of; together they are one JSON object.
_BEFORE_CHECKSUM: Final = b'{"sha256":"'
_BEFORE_BACKUP: Final = b'","backup":'
_AFTER_BACKUP: Final = b"}"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BackedUpFile(_Part):
    """A file, as it is in use and as it is stored."""

    name: str
    bytes: int = Field(ge=0)
    sha256: str = Field(pattern=_SHA256)
    stored_bytes: int = Field(ge=0)
    stored_sha256: str = Field(pattern=_SHA256)
    #: See `layout.key_of_recipients`.
    encrypted_for: str | None = None

    @property
    def stored_name(self) -> FileName:
        return FileName(self.sha256, self.stored_sha256, self.encrypted_for)


class BackedUpSegment(_Part):
    """A segment: its entry in the manifest of the index, and its files, `segment.json` first."""

    entry: SegmentEntry
    files: tuple[BackedUpFile, ...] = Field(min_length=1)
    deletes: BackedUpFile | None = None

    @property
    def description(self) -> BackedUpFile:
        return self.files[0]

    @property
    def all_files(self) -> tuple[BackedUpFile, ...]:
        """Its delete bitmap, too."""
        return self.files if self.deletes is None else (*self.files, self.deletes)


class BackupManifest(_Part):
    """The whole of `backup.json`."""

    format_version: Literal[1] = BACKUP_FORMAT_VERSION
    id: BackupId
    created_at: AwareDatetime
    record: CollectionRecord
    #: Which was live, and since which version of the index's manifest it was as it is here.
    generation: str
    manifest_version: int = Field(ge=1)
    space: str
    index: IndexParameters
    #: Over all items and remembered deletions; 0 if there are none.
    max_version: int = Field(ge=0)
    added_bytes: int = Field(ge=0)
    segments: tuple[BackedUpSegment, ...] = ()

    @property
    def layout(self) -> BackupLayout:
        return BackupLayout(self.record.name, self.record.uid)

    @property
    def files(self) -> list[BackedUpFile]:
        """Of all segments; equal files may occur more than once."""
        return [file for segment in self.segments for file in segment.all_files]

    @property
    def bytes(self) -> int:
        """Of the segments as they are in use."""
        return sum(file.bytes for file in self.files)

    @property
    def items(self) -> int:
        return sum(segment.entry.live_rows for segment in self.segments)

    @property
    def encrypted(self) -> bool:
        return any(file.encrypted_for is not None for file in self.files)

    @property
    def summary(self) -> BackupSummary:
        """As callers see it."""
        return BackupSummary(
            id=self.id,
            created_at=self.created_at,
            collection=self.record,
            generation=self.generation,
            space=self.space,
            manifest_version=self.manifest_version,
            items=self.items,
            segments=len(self.segments),
            bytes=self.bytes,
            stored_bytes=sum({file.stored_name: file.stored_bytes for file in self.files}.values()),
            added_bytes=self.added_bytes,
            encrypted=self.encrypted,
        )


def serialize_backup(backup: BackupManifest) -> bytes:
    """The bytes of `backup.json`."""
    body = backup.model_dump_json().encode()
    return _BEFORE_CHECKSUM + hashlib.sha256(body).hexdigest().encode() + _BEFORE_BACKUP + body + _AFTER_BACKUP


def parse_backup(data: bytes, key: str) -> BackupManifest:
    """A backup from the bytes of its `backup.json`; `key` names it in errors.

    Raises:
        CorruptDataError: it is damaged, is not consistent in itself, or is of another format version.
    """
    checksum_at = len(_BEFORE_CHECKSUM)
    body_at = checksum_at + 64 + len(_BEFORE_BACKUP)
    body = data[body_at : -len(_AFTER_BACKUP)]
    is_framed = (
        data.startswith(_BEFORE_CHECKSUM)
        and data[checksum_at + 64 : body_at] == _BEFORE_BACKUP
        and data.endswith(_AFTER_BACKUP)
    )
    if not is_framed or hashlib.sha256(body).hexdigest().encode() != data[checksum_at : checksum_at + 64]:
        raise CorruptDataError(f"blob {key!r} is not a whole description of a backup: its sha256 does not agree")
    try:
        backup = BackupManifest.model_validate_json(body)
    except ValidationError as error:
        raise CorruptDataError(f"blob {key!r} does not describe a backup that this version reads: {error}") from None
    for segment in backup.segments:
        _check_segment(segment, key)
    return backup


def _check_segment(segment: BackedUpSegment, key: str) -> None:
    entry, description = segment.entry, segment.description
    if description.name != DESCRIPTION_FILE or description.sha256 != entry.description_sha256:
        raise CorruptDataError(f"blob {key!r}: segment {entry.id} does not begin with its own {DESCRIPTION_FILE}")
    deletes_sha256 = entry.deletes.sha256 if entry.deletes is not None else None
    if deletes_sha256 != (segment.deletes.sha256 if segment.deletes is not None else None):
        raise CorruptDataError(f"blob {key!r}: segment {entry.id} does not have the delete bitmap of its entry")
