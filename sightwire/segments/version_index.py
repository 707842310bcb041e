"""Which version of an item an index holds, and where: answered from the segments' own id lookups.

There is no table of items in memory; a batch of ids costs a binary search per segment, and merges bound their number.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from pyroaring import BitMap

from sightwire.segments.identifiers import hash_ids
from sightwire.segments.reader import SegmentReader

#: In place of a version: the index knows nothing of the id. Real versions are 1 or more.
UNKNOWN: Final = 0


@dataclass(frozen=True, slots=True)
class LiveSegment:
    """An open segment, and which of its rows do not count any more in the manifest at hand."""

    reader: SegmentReader
    deletes: BitMap


@dataclass(frozen=True, slots=True)
class CurrentVersions:
    """What an index knows of a batch of ids; each array has one element per id.

    `versions` (int64) is the version of the live item or of the tombstone, whichever is higher, or `UNKNOWN`.
    `segments` (int64) and `rows` (int64) tell where a live item lies: position in the list of segments, and item row;
    -1 without one.
    """

    versions: npt.NDArray[np.int64]
    is_tombstone: npt.NDArray[np.bool_]
    segments: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]


def current_versions(segments: Sequence[LiveSegment], ids: Sequence[str]) -> CurrentVersions:
    """Looks a batch of ids up in all segments."""
    hashes = hash_ids(ids)
    current = CurrentVersions(
        versions=np.full(len(ids), UNKNOWN, dtype=np.int64),
        is_tombstone=np.zeros(len(ids), dtype=np.bool_),
        segments=np.full(len(ids), -1, dtype=np.int64),
        rows=np.full(len(ids), -1, dtype=np.int64),
    )
    for position, segment in enumerate(segments):
        _add_live_items(current, position, segment, segment.reader.find_ids(ids, hashes))
        _add_tombstones(current, segment, segment.reader.find_tombstones(ids, hashes))
    return current


def _add_live_items(current: CurrentVersions, position: int, segment: LiveSegment, rows: npt.NDArray[np.int64]) -> None:
    for found in np.flatnonzero(rows >= 0).tolist():
        row = int(rows[found])
        if row in segment.deletes:
            continue
        assert current.rows[found] < 0, (
            f"two live rows of one item: the second in segment {segment.reader.id}, row {row}"
        )
        current.segments[found] = position
        current.rows[found] = row
        _raise_version(current, found, int(segment.reader.versions[row]), is_tombstone=False)


def _add_tombstones(current: CurrentVersions, segment: LiveSegment, rows: npt.NDArray[np.int64]) -> None:
    for found in np.flatnonzero(rows >= 0).tolist():
        _raise_version(current, found, int(segment.reader.tombstone_versions[rows[found]]), is_tombstone=True)


def _raise_version(current: CurrentVersions, found: int, version: int, *, is_tombstone: bool) -> None:
    if version > current.versions[found]:
        current.versions[found] = version
        current.is_tombstone[found] = is_tombstone
