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
    known_tombstones: Keys


def plan_carry_over(
    live: Sequence[LiveSegment], target: Sequence[LiveSegment], *, forgotten_up_to: int = 0
) -> CarryOver:
    """Compares two generations of one index.

    Args:
        live: segments of the live generation.
        target: those of the generation that is to become live, with its own deletes.
        forgotten_up_to: version up to which no change can arrive any more, so that its tombstone has no effect.
    """
    staying = [
        position
        for position, segment in enumerate(target)
        if not _contradicts(segment, live, forgotten_up_to=forgotten_up_to)
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
    everything_live, everything_there = _joined(live_keys), _joined(target_keys)

    deletes = {position: target[position].deletes for position in unchanged}
    for position, rows, keys in zip(compared, target_rows, target_keys, strict=True):
        outdated = rows[~_is_in(keys, everything_live)]
        deletes[position] = target[position].deletes | BitMap(outdated)
    known_tombstones = _joined([_tombstone_keys(target[position]) for position in staying])
    carried, carried_rows = [], 0
    for segment, rows, keys in zip(sources, live_rows, live_keys, strict=True):
        wanted = BitMap(rows[~_is_in(keys, everything_there)])
        if wanted or not _is_in(_tombstone_keys(segment), known_tombstones).all():
            everything = BitMap(range(segment.reader.rows))
            carried.append(LiveSegment(segment.reader, everything - wanted))
            carried_rows += len(wanted)
    return CarryOver(dict(sorted(deletes.items())), tuple(carried), carried_rows, known_tombstones)


def rows_lacking(segments: Sequence[LiveSegment], others: Sequence[LiveSegment]) -> list[npt.NDArray[np.uint32]]:
    """Per segment the rows of its live items that `others` do not hold live in that version."""
    rows = [_live_rows(segment) for segment in segments]
    held = _joined([_item_keys(other, _live_rows(other)) for other in others])
    return [part[~_is_in(_item_keys(segment, part), held)] for segment, part in zip(segments, rows, strict=True)]


def carried_content(plan: CarryOver, schema: SegmentSchema, *, forgotten_up_to: int = 0) -> SegmentContent | None:
    """The content of the segment that carries over what the target lacks, deletions included; None if it lacks nothing.

    Args:
        schema: that of all segments of the index.
        forgotten_up_to: as for `plan_carry_over`.
    """
    if not plan.carried:
        return None
    content = merged_content(plan.carried, schema, drop_tombstones_up_to=forgotten_up_to)
    is_new = ~_is_in(_table_keys(content.tombstones), plan.known_tombstones)
    content = replace(content, tombstones=content.tombstones.filter(pa.array(is_new)).combine_chunks())
    return content if content.items.num_rows or content.tombstones.num_rows else None


def _contradicts(segment: LiveSegment, live: Sequence[LiveSegment], *, forgotten_up_to: int) -> bool:
    """Whether a segment remembers a deletion that the live generation does not: it went back to an older state.

    A deletion cannot be masked, so the whole segment stays out, and its items are carried over instead.
    """
    keys = _tombstone_keys(segment)
    known = _joined([_tombstone_keys(other) for other in live])
    suspects = np.flatnonzero((keys["version"] > forgotten_up_to) & ~_is_in(keys, known))
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


def _is_in(keys: Keys, others: Keys) -> npt.NDArray[np.bool_]:
    """Which of `keys` occur in `others`; bool [keys]. Sorts columns: `np.isin` would compare pairs in Python."""
    if not len(keys) or not len(others):
        return np.zeros(len(keys), dtype=np.bool_)
    both = np.concatenate([keys, others])
    id_hashes, versions = np.ascontiguousarray(both["id_hash"]), np.ascontiguousarray(both["version"])
    order = np.lexsort((versions, id_hashes))
    begins = np.ones(len(both), dtype=np.bool_)
    begins[1:] = (np.diff(id_hashes[order]) != 0) | (np.diff(versions[order]) != 0)
    group = np.cumsum(begins) - 1
    is_other = order >= len(keys)
    occurs = np.bincount(group, weights=is_other) > 0
    found = np.empty(len(both), dtype=np.bool_)
    found[order] = occurs[group]
    return found[: len(keys)]


def _joined(parts: Sequence[Keys]) -> Keys:
    return np.concatenate(parts) if parts else np.empty(0, dtype=_KEY)
