"""Compares what two indexes hold: which items one has and the other has not, or only in an older version.

Segments are ordered by the hash of their items' ids, so that both indexes are compared a range of hashes at a time:
without a table of all items, and without reading anything but ids and versions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyroaring import BitMap

from sightwire.contracts.migrations import DifferingItem
from sightwire.segments.deletes import deleted_mask
from sightwire.segments.description import ITEMS_FILE, read_description
from sightwire.segments.mapped_table import map_table, numbers

#: Items of both indexes together that are compared at a time, about.
_ITEMS_AT_ONCE: Final = 200_000
_HASHES: Final = 1 << 64


@dataclass(frozen=True, slots=True)
class ItemVersions:
    """Ids and versions in one segment, views of its mapped file.

    `hashes` is uint64 [rows], ascending; `versions` is int64 [rows]; `live` is bool [rows], None if all rows count.
    """

    hashes: npt.NDArray[np.uint64]
    ids: pa.Array[Any]
    versions: npt.NDArray[np.int64]
    live: npt.NDArray[np.bool_] | None = None

    @classmethod
    def open(cls, folder: Path, deletes: BitMap) -> Self:
        """Maps the items of the segment in `folder`, of which only its description and its items need be there.

        Raises:
            CorruptDataError: they are not what the description says.
        """
        description, _ = read_description(folder)
        items = map_table(folder / ITEMS_FILE, description.schema_.items, description.rows)
        live = ~deleted_mask(deletes, description.rows) if deletes else None
        return cls(numbers(items["id_hash"]), items["id"], numbers(items["version"]), live)

    @property
    def items(self) -> int:
        """Rows that count."""
        return len(self.hashes) if self.live is None else int(np.count_nonzero(self.live))

    def between(self, first: int, end: int) -> pa.Table:
        """Columns `id` and `version` of the live items whose hash is at least `first` and less than `end`."""
        start = int(np.searchsorted(self.hashes, np.uint64(first)))
        stop = len(self.hashes) if end >= _HASHES else int(np.searchsorted(self.hashes, np.uint64(end)))
        table = pa.table({"id": self.ids[start:stop], "version": pa.array(self.versions[start:stop])})
        return table if self.live is None else table.filter(pa.array(self.live[start:stop]))


@dataclass(frozen=True, slots=True)
class Comparison:
    """How an index differs from another one; of the items, as many as were asked for."""

    #: Items that it has not, or only in an older version.
    missing: int
    #: Items that it has and the other has not, or only in an older version.
    surplus: int
    missing_items: tuple[DifferingItem, ...]
    surplus_items: tuple[DifferingItem, ...]


def compare_items(copy: Sequence[ItemVersions], original: Sequence[ItemVersions], *, sample: int) -> Comparison:
    """How `copy` differs from `original`, each with at most one live row for an id.

    Args:
        sample: items to name, of each kind.
    """
    missing, surplus = _Items(sample), _Items(sample)
    for first, end in _ranges(sum(segment.items for segment in (*copy, *original))):
        joined = _between(original, first, end).join(
            _between(copy, first, end), "id", join_type="full outer", right_suffix=" of copy", use_threads=False
        )
        wanted, present = _or_zero(joined["version"]), _or_zero(joined["version of copy"])
        for found, differs in ((missing, present < wanted), (surplus, present > wanted)):
            found.add(joined["id"].filter(pa.array(differs)), wanted[differs], present[differs])
    return Comparison(missing.count, surplus.count, tuple(missing.named), tuple(surplus.named))


class _Items:
    """Counts items and keeps the first few."""

    def __init__(self, sample: int) -> None:
        self._sample = sample
        self.count = 0
        self.named: list[DifferingItem] = []

    def add(
        self, ids: pa.ChunkedArray[Any], versions: npt.NDArray[np.int64], versions_of_copy: npt.NDArray[np.int64]
    ) -> None:
        self.count += len(ids)
        most = self._sample - len(self.named)
        named = zip(ids[:most].to_pylist(), versions[:most].tolist(), versions_of_copy[:most].tolist(), strict=True)
        self.named += (DifferingItem(str(item), wanted, present) for item, wanted, present in named)


def _or_zero(versions: Any) -> npt.NDArray[np.int64]:
    """A column of versions as an array, 0 where there is none."""
    return np.asarray(pc.fill_null(versions, 0), dtype=np.int64)


def _ranges(items: int) -> Iterator[tuple[int, int]]:
    """Ranges of hashes, of equal size, for hashes are spread evenly."""
    count = max(1, -(-items // _ITEMS_AT_ONCE))
    bounds = [_HASHES * number // count for number in range(count + 1)]
    return pairwise(bounds)


def _between(segments: Sequence[ItemVersions], first: int, end: int) -> pa.Table:
    empty = pa.table({"id": pa.array([], pa.string()), "version": pa.array([], pa.int64())})
    return pa.concat_tables([empty, *(segment.between(first, end) for segment in segments)])
