"""Finds rows by item id in arrays that are ordered by id hash, many ids at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sightwire.segments.identifiers import hash_ids


class IdLookup:
    """Read-only view over two columns; equal hashes of different ids are told apart by comparing the ids.

    Args:
        hashes: uint64 [rows], ascending: `hash_ids` of `ids`.
        ids: string [rows], distinct.
    """

    def __init__(self, hashes: npt.NDArray[np.uint64], ids: pa.Array[Any]) -> None:
        self._hashes = hashes
        self._ids = ids

    def find(self, ids: Sequence[str], hashes: npt.NDArray[np.uint64] | None = None) -> npt.NDArray[np.int64]:
        """Rows of `ids`, -1 where there is none; int64 [ids].

        Args:
            hashes: `hash_ids(ids)`, for callers that look into many segments.
        """
        found = np.full(len(ids), -1, dtype=np.int64)
        if not len(self._hashes) or not len(ids):
            return found
        wanted = hash_ids(ids) if hashes is None else hashes
        first = np.searchsorted(self._hashes, wanted)
        inside = np.minimum(first, len(self._hashes) - 1)
        for position in np.flatnonzero(self._hashes[inside] == wanted).tolist():
            found[position] = self._row_of(ids[position], wanted[position], int(first[position]))
        return found

    def _row_of(self, item_id: str, item_hash: np.uint64, row: int) -> int:
        while row < len(self._hashes) and self._hashes[row] == item_hash:
            if self._ids[row].as_py() == item_id:
                return row
            row += 1
        return -1
