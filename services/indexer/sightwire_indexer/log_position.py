"""Whether a stream still is the one that an index was made from. Pure."""

from dataclasses import dataclass
from datetime import datetime

from sightwire.errors import CorruptDataError
from sightwire.segments.manifest import Checkpoint, Manifest


class LogMismatchError(CorruptDataError):
    """The stream is not the one that the index was made from, or lost what the index does not contain yet."""

    code = "log-mismatch"


@dataclass(frozen=True, slots=True)
class StreamState:
    """A stream as the server describes it; an empty one has `first_sequence` = `last_sequence` + 1, or 0 at first."""

    created_at: datetime
    first_sequence: int
    last_sequence: int


def check_position(collection: str, checkpoint: Checkpoint, stream: StreamState) -> None:
    """Compares an index's position with the stream that it is about to read on from.

    Raises:
        LogMismatchError: items would be skipped, or sequences mean other messages than before.
    """
    advice = (
        "indexing of the collection is stopped rather than skip items; restore the stream, or delete the collection "
        "and restore a backup of it or ingest it again"
    )
    if stream.created_at != checkpoint.stream_created_at:
        raise LogMismatchError(
            f"collection {collection!r} was indexed from a stream EMBEDDED created at {checkpoint.stream_created_at}, "
            f"but the bus has one created at {stream.created_at}; {advice}"
        )
    if stream.last_sequence < checkpoint.sequence:
        raise LogMismatchError(
            f"collection {collection!r} is indexed up to sequence {checkpoint.sequence} of EMBEDDED, but the stream "
            f"ends at {stream.last_sequence}: it lost messages; {advice}"
        )
    if stream.first_sequence > checkpoint.sequence + 1:
        raise LogMismatchError(
            f"collection {collection!r} is indexed up to sequence {checkpoint.sequence} of EMBEDDED, but the stream "
            f"begins at {stream.first_sequence}: its limits removed messages that were never indexed; {advice}"
        )


def starting_point(manifest: Manifest, stream: StreamState) -> Checkpoint:
    """Where to read on from: after the checkpoint, or before it where items were not told that they are searchable.

    Raises:
        LogMismatchError: the stream does not go with the manifest.
    """
    check_position(manifest.collection, manifest.checkpoint, stream)
    # The limits may have removed what only had to be told again.
    oldest = max(manifest.announced_sequence, stream.first_sequence - 1)
    return manifest.checkpoint.model_copy(update={"sequence": min(oldest, manifest.checkpoint.sequence)})


def new_index_checkpoint(stream: StreamState) -> Checkpoint:
    """Where a new collection begins: its first items may have come before anybody indexed it."""
    return Checkpoint(sequence=max(0, stream.first_sequence - 1), stream_created_at=stream.created_at)
