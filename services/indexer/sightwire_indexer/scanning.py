"""Reads every file of every segment and compares checksums."""

from typing import Any

from sightwire.blobs.store import BlobStore
from sightwire.contracts.collections import CollectionRecord
from sightwire.segments.index_writer import IndexWriter
from sightwire_indexer.operations.operation import Operation


class Scanner:
    """Carries `scan` out for one collection: `Scanner(…).carry_out` is its CarryOut."""

    def __init__(self, record: CollectionRecord, writer: IndexWriter, blobs: BlobStore) -> None:
        self._record = record
        self._writer = writer
        self._blobs = blobs

    async def carry_out(self, operation: Operation) -> dict[str, Any]:
        """Scans the live and all other generations; damage is part of the result, not an error."""
        raise NotImplementedError
