"""Which segments a restored generation has: those that the index still has, and copies of the others from the backup.

A copy is a segment of its own, with its own id, collection and generation in its `segment.json`; all other files are
the same. So it never meets what is left of the segment that was backed up, which garbage collection may be removing.
"""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass

from sightwire.contracts.collections import CollectionRecord
from sightwire.errors import CorruptDataError
from sightwire.segments.depot import segment_entry
from sightwire.segments.description import SegmentDescription
from sightwire.segments.identifiers import new_segment_id
from sightwire.segments.layout import IndexLayout
from sightwire.segments.manifest import DeletesReference, SegmentEntry
from sightwire_indexer.backups.manifest import BackedUpSegment


@dataclass(frozen=True, slots=True)
class RestoredSegment:
    """A segment of a backup, and its place in the generation that is restored."""

    source: BackedUpSegment
    entry: SegmentEntry
    #: The bytes of its new `segment.json`; None for a segment that the index still has.
    description: bytes | None


def new_entries(
    segments: Collection[tuple[BackedUpSegment, SegmentDescription]],
    record: CollectionRecord,
    generation: str,
    *,
    present: Collection[str],
) -> tuple[SegmentEntry, ...]:
    """Entries for the record of a generation that is to be restored.

    Args:
        segments: those of the backup, with their descriptions.
        present: ids of those that the index still has.
    """
    layout = IndexLayout.of(record)
    return tuple(_new_entry(*segment, record, generation, layout, present) for segment in segments)


def restored_segment(
    source: BackedUpSegment,
    description: SegmentDescription,
    entry: SegmentEntry,
    record: CollectionRecord,
    generation: str,
) -> RestoredSegment:
    """What is to be written for an entry that `new_entries` made, perhaps before a crash.

    Raises:
        CorruptDataError: the entry was made by a program that writes descriptions in another way.
    """
    if entry.id == source.entry.id:
        return RestoredSegment(source, entry, None)
    data = _serialized(_adopted(description, entry.id, record, generation))
    if hashlib.sha256(data).hexdigest() != entry.description_sha256:
        raise CorruptDataError(
            f"the restoration of generation {generation!r} was begun by another version of the indexer; restore again"
        )
    return RestoredSegment(source, entry, data)


def _new_entry(
    source: BackedUpSegment,
    description: SegmentDescription,
    record: CollectionRecord,
    generation: str,
    layout: IndexLayout,
    present: Collection[str],
) -> SegmentEntry:
    if source.entry.id in present:
        entry = source.entry
    else:
        adopted = _adopted(description, new_segment_id(), record, generation)
        entry = segment_entry(adopted, hashlib.sha256(_serialized(adopted)).hexdigest())
    return entry.model_copy(update={"deletes": _new_deletes(source.entry.deletes, entry.id, layout)})


def _new_deletes(deletes: DeletesReference | None, segment_id: str, layout: IndexLayout) -> DeletesReference | None:
    """The same bitmap under a key that nothing else has."""
    if deletes is None:
        return None
    return deletes.model_copy(update={"key": layout.deletes_key(segment_id, new_segment_id())})


def _adopted(
    description: SegmentDescription, segment_id: str, record: CollectionRecord, generation: str
) -> SegmentDescription:
    identity = {
        "id": segment_id,
        "collection": record.name,
        "collection_uid": record.uid,
        "generation": generation,
    }
    return description.model_copy(update=identity)


def _serialized(description: SegmentDescription) -> bytes:
    return description.model_dump_json(indent=1).encode()
