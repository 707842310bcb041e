"""What a generation lacks to hold exactly what the live one holds: compared in columns, built with the merge code.

An item is the pair of its id's hash and its version: a version belongs to one change in a collection. So rows that both
generations have are the same item, and all others are either carried over or masked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyroaring import BitMap

from sightwire.segments.content import SegmentContent
from sightwire.segments.deletes import deleted_mask
from sightwire.segments.mapped_table import numbers
from sightwire.segments.merge import merged_content
from sightwire.segments.schema import SegmentSchema
from sightwire.segments.version_index import LiveSegment, current_versions

_KEY = np.dtype([("id_hash", "<u8"), ("version", "<i8")])
Keys = npt.NDArray[np.void]


class KeySet:
    """Items, ordered once, to look many of them up: commits wait while two generations are compared."""

    def __init__(self, parts: Sequence[Keys]) -> None:
        keys = np.concatenate(parts) if parts else np.empty(0, dtype=_KEY)
        # Parts are mostly in this order already, which a stable sort makes use of.
        order = np.argsort(keys["id_hash"], kind="stable")
        self._id_hashes = np.ascontiguousarray(keys["id_hash"][order])
        self._versions = np.ascontiguousarray(keys["version"][order])

    def contains(self, keys: Keys) -> npt.NDArray[np.bool_]:
        """Which of `keys` are in the set; bool [keys]."""
        found = np.zeros(len(keys), dtype=np.bool_)
        positions = np.searchsorted(self._id_hashes, keys["id_hash"])
        undecided = np.arange(len(keys))
        # One round, or as many as there are versions of one id.
        while undecided.size:
            undecided = undecided[positions[undecided] < len(self._id_hashes)]
            undecided = undecided[self._id_hashes[positions[undecided]] == keys["id_hash"][undecided]]
            found[undecided] = self._versions[positions[undecided]] == keys["version"][undecided]
            undecided = undecided[~found[undecided]]
            positions[undecided] += 1
        return found


@dataclass(frozen=True, slots=True)
class CarryOver:
    """How to make a target generation hold what the live one holds."""

    #: Deletes by position of a target segment; the segments that are not named stay out of the result.
    deletes: Mapping[int, BitMap]
    #: Live segments of which something is carried, everything else masked.
    carried: tuple[LiveSegment, ...]
    #: Rows of `carried` that are not masked.
    rows: int
    #: Keys of the deletions that the target knows already.
    known_tombstones: KeySet


def plan_carry_over(
    live: Sequence[LiveSegment], target: Sequence[LiveSegment], *, forgotten_up_to: int = 0
) -> CarryOver:
    """Compares two generations of one index.

    Args:
        live: segments of the live generation.
        target: those of the generation that is to become live, with its own deletes.
        forgotten_up_to: version up to which no change can arrive any more, so that its tombstone has no effect.
    """
    live_tombstones = KeySet([_tombstone_keys(segment) for segment in live])
    staying = [
        position
        for position, segment in enumerate(target)
        if not _contradicts(segment, live, live_tombstones, forgotten_up_to=forgotten_up_to)
    ]
    shared = {segment.reader.id: segment.deletes for segment in live}
    unchanged = {position for position in staying if shared.get(target[position].reader.id) == target[position].deletes}
    unchanged_ids = {target[position].reader.id for position in unchanged}
    compared = [position for position in staying if position not in unchanged]
    sources = [segment for segment in live if segment.reader.id not in unchanged_ids]

    live_rows = [_live_rows(segment) for segment in sources]
    target_rows = [_live_rows(target[position]) for position in compared]
    live_keys = [_item_keys(segment, rows) for segment, rows in zip(sources, live_rows, strict=True)]
    target_keys = [_item_keys(target[position], rows) for position, rows in zip(compared, target_rows, strict=True)]
    everything_live, everything_there = KeySet(live_keys), KeySet(target_keys)

    deletes = {position: target[position].deletes for position in unchanged}
    for position, rows, keys in zip(compared, target_rows, target_keys, strict=True):
        outdated = rows[~everything_live.contains(keys)]
        deletes[position] = target[position].deletes | BitMap(outdated)
    known_tombstones = KeySet([_tombstone_keys(target[position]) for position in staying])
    carried, carried_rows = [], 0
    for segment, rows, keys in zip(sources, live_rows, live_keys, strict=True):
        wanted = BitMap(rows[~everything_there.contains(keys)])
        if wanted or not known_tombstones.contains(_tombstone_keys(segment)).all():
            everything = BitMap(range(segment.reader.rows))
            carried.append(LiveSegment(segment.reader, everything - wanted))
            carried_rows += len(wanted)
    return CarryOver(dict(sorted(deletes.items())), tuple(carried), carried_rows, known_tombstones)


def rows_lacking(segments: Sequence[LiveSegment], others: Sequence[LiveSegment]) -> list[npt.NDArray[np.uint32]]:
    """Per segment the rows of its live items that `others` do not hold live in that version."""
    rows = [_live_rows(segment) for segment in segments]
    held = KeySet([_item_keys(other, _live_rows(other)) for other in others])
    return [part[~held.contains(_item_keys(segment, part))] for segment, part in zip(segments, rows, strict=True)]


def carried_content(plan: CarryOver, schema: SegmentSchema, *, forgotten_up_to: int = 0) -> SegmentContent | None:
    """The content of the segment that carries over what the target lacks, deletions included; None if it lacks nothing.

    Args:
        schema: that of all segments of the index.
        forgotten_up_to: as for `plan_carry_over`.
    """
    if not plan.carried:
        return None
    content = merged_content(plan.carried, schema, drop_tombstones_up_to=forgotten_up_to)
    is_new = ~plan.known_tombstones.contains(_table_keys(content.tombstones))
    content = replace(content, tombstones=content.tombstones.filter(pa.array(is_new)).combine_chunks())
    return content if content.items.num_rows or content.tombstones.num_rows else None


def _contradicts(
    segment: LiveSegment, live: Sequence[LiveSegment], live_tombstones: KeySet, *, forgotten_up_to: int
) -> bool:
    """Whether a segment remembers a deletion that the live generation does not: it went back to an older state.

    A deletion cannot be masked, so the whole segment stays out, and its items are carried over instead.
    """
    keys = _tombstone_keys(segment)
    suspects = np.flatnonzero((keys["version"] > forgotten_up_to) & ~live_tombstones.contains(keys))
    if not suspects.size:
        return False
    tombstone_ids = segment.reader.tombstones["id"]
    ids = [str(tombstone_ids[row].as_py()) for row in suspects.tolist()]
    return bool((keys["version"][suspects] > current_versions(live, ids).versions).any())


def _live_rows(segment: LiveSegment) -> npt.NDArray[np.uint32]:
    return np.flatnonzero(~deleted_mask(segment.deletes, segment.reader.rows)).astype(np.uint32)


def _item_keys(segment: LiveSegment, rows: npt.NDArray[np.uint32]) -> Keys:
    return _keys(segment.reader.id_hashes[rows], segment.reader.versions[rows])


def _tombstone_keys(segment: LiveSegment) -> Keys:
    return _keys(numbers(segment.reader.tombstones["id_hash"]), segment.reader.tombstone_versions)


def _table_keys(tombstones: pa.Table) -> Keys:
    return _keys(tombstones["id_hash"].to_numpy(), tombstones["version"].to_numpy())


def _keys(id_hashes: npt.NDArray[np.uint64], versions: npt.NDArray[np.int64]) -> Keys:
    keys = np.empty(len(id_hashes), dtype=_KEY)
    keys["id_hash"] = id_hashes
    keys["version"] = versions
    return keys
