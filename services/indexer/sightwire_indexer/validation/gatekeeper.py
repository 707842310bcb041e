"""Puts a generation through the gates, keeps the report, and finds it again."""

import asyncio

from sightwire.blobs.store import BlobStore
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.validation import GateThresholds, ValidationReport
from sightwire.segments.index_writer import IndexWriter
from sightwire_indexer.operations.operation import Operation


class Gatekeeper:
    """Of one collection.

    Args:
        writing: held while the index's records are written; commits and switches take it, too.
        thresholds: used unless others are asked for.
    """

    def __init__(
        self,
        record: CollectionRecord,
        writer: IndexWriter,
        blobs: BlobStore,
        *,
        writing: asyncio.Lock,
        thresholds: GateThresholds,
    ) -> None:
        self._record = record
        self._writer = writer
        self._blobs = blobs
        self._writing = writing
        self._thresholds = thresholds

    async def validate(
        self, generation: str | None, gates: GateThresholds | None, operation: Operation
    ) -> ValidationReport:
        """Puts a generation through all gates, and keeps the report. Whether it passed is up to the caller to ask.

        Args:
            generation: None for the live one.
            gates: None for the thresholds of this indexer.

        Raises:
            NotFoundError: there is no such generation.
            CorruptDataError: what it is compared with is damaged.
        """
        raise NotImplementedError

    async def report(self, generation: str) -> ValidationReport:
        """The newest report of a generation.

        Raises:
            NotFoundError: it never came to the gates, or is forgotten.
        """
        raise NotImplementedError
