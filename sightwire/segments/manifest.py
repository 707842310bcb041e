"""The manifest: the immutable list of segments that are an index at one moment."""

from datetime import datetime
from typing import Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from sightwire.contracts.collections import IndexParameters
from sightwire.errors import CorruptDataError

MANIFEST_FORMAT_VERSION: Final = 1


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DeletesReference(_Part):
    """A delete bitmap in the blob store: which rows of its segment are superseded or deleted."""

    key: str
    count: int = Field(ge=1)
    sha256: str


class SegmentEntry(_Part):
    """A segment of a manifest."""

    id: str
    rows: int = Field(ge=0)
    tombstones: int = Field(ge=0)
    disk_bytes: int = Field(ge=0)
    #: sha256 of the segment's `segment.json`, which holds those of all its other files.
    description_sha256: str
    deletes: DeletesReference | None = None

    @property
    def live_rows(self) -> int:
        """Items that a search may find."""
        return self.rows - (self.deletes.count if self.deletes is not None else 0)


class Checkpoint(_Part):
    """How much of which stream the manifest contains: everything up to `sequence`, and nothing after it."""

    sequence: int = Field(ge=0)
    #: When the stream was created. Another time means another stream, in which sequences mean other messages.
    stream_created_at: AwareDatetime


class Manifest(_Part):
    """One version of an index. Versions count up from 1, whichever generation they say is live."""

    format_version: Literal[1] = MANIFEST_FORMAT_VERSION
    version: int = Field(ge=1)
    collection: str
    collection_uid: str
    generation: str
    space: str
    created_at: AwareDatetime
    checkpoint: Checkpoint
    #: Sequence up to which, when this was committed, all items had been told that they are searchable. At or below the
    #: checkpoint; what lies between is told again after a restart.
    announced_sequence: int = Field(default=0, ge=0)
    segments: tuple[SegmentEntry, ...] = ()
    index: IndexParameters = IndexParameters()

    @property
    def items(self) -> int:
        """Number of live items."""
        return sum(segment.live_rows for segment in self.segments)

    def segment(self, segment_id: str) -> SegmentEntry | None:
        """The entry of a segment, None if it is not part of this version."""
        return next((segment for segment in self.segments if segment.id == segment_id), None)

    def successor(
        self,
        *,
        segments: tuple[SegmentEntry, ...],
        checkpoint: Checkpoint,
        announced_sequence: int,
        created_at: datetime,
    ) -> "Manifest":
        """The next version, with other segments and perhaps a later checkpoint."""
        if checkpoint.sequence < self.checkpoint.sequence:
            raise ValueError(f"a checkpoint never goes back: {checkpoint.sequence} after {self.checkpoint.sequence}")
        return self.model_copy(
            update={
                "version": self.version + 1,
                "segments": segments,
                "checkpoint": checkpoint,
                "announced_sequence": announced_sequence,
                "created_at": created_at,
            }
        )

    def switched(
        self,
        *,
        generation: str,
        space: str,
        index: IndexParameters,
        segments: tuple[SegmentEntry, ...],
        created_at: datetime,
    ) -> "Manifest":
        """The next version, with another generation live. How much of the stream it contains stays the same."""
        return self.model_copy(
            update={
                "version": self.version + 1,
                "generation": generation,
                "space": space,
                "index": index,
                "segments": segments,
                "created_at": created_at,
            }
        )


def parse_manifest(data: bytes, key: str) -> Manifest:
    """A manifest from its bytes; `key` names it in errors.

    Raises:
        CorruptDataError: not a manifest of this format version.
    """
    try:
        return Manifest.model_validate_json(data)
    except ValidationError as error:
        raise CorruptDataError(f"blob {key!r} is not a manifest: {error}") from None
