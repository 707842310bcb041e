"""Removes, from time to time, what an index needs no more."""

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta

from sightwire.blobs.store import BlobStore
from sightwire.contracts.collections import CollectionRecord
from sightwire.errors import UnavailableError
from sightwire.segments.garbage import collect_garbage
from sightwire.segments.index_writer import IndexWriter
from sightwire.segments.layout import IndexLayout
from sightwire_indexer.merging import Merger
from sightwire_indexer.ports import HousekeepingLimits

logger = logging.getLogger(__name__)


class Housekeeper:
    """Of one collection.

    Args:
        writing: held while the index's records are written.
        require_ownership: raises if another indexer may own the collection.
    """

    def __init__(
        self,
        record: CollectionRecord,
        writer: IndexWriter,
        merger: Merger,
        blobs: BlobStore,
        limits: HousekeepingLimits,
        *,
        writing: asyncio.Lock,
        require_ownership: Callable[[], None],
    ) -> None:
        self._collection = record.name
        self._layout = IndexLayout.of(record)
        self._writer = writer
        self._merger = merger
        self._blobs = blobs
        #: May be replaced; those of time count from the next round on.
        self.limits = limits
        self._writing = writing
        self._require_ownership = require_ownership

    async def run(self) -> None:
        """Keeps house until cancelled."""
        while True:
            await asyncio.sleep(self.limits.interval_seconds)
            self._require_ownership()
            try:
                removed = await collect_garbage(
                    self._blobs,
                    self._layout,
                    keep_manifests=self.limits.keep_manifests,
                    min_age=timedelta(seconds=self.limits.retention_seconds),
                    in_use=[*self._merger.segments_in_the_making, *self._writer.in_use.ids],
                )
            except UnavailableError as error:
                logger.warning("garbage collection waits for the blob store", extra={"error": error.detail})
                continue
            await self._forget_old_generations()
            # Under the lock, so that no commit's new segment is taken for one that nobody needs.
            async with self._writing:
                await self._writer.remove_copies(in_use=self._merger.segments_in_the_making)
            if removed:
                logger.info("removed what no manifest needs", extra={"collection": self._collection, "blobs": removed})

    async def _forget_old_generations(self) -> None:
        """Before the next removal, so that what only they needed goes then."""
        try:
            async with self._writing:
                forgotten = await self._writer.forget_old(keep=self.limits.keep_generations)
        except UnavailableError as error:
            logger.warning("old generations stay until the blob store answers", extra={"error": error.detail})
            return
        if forgotten:
            logger.info("forgot generations", extra={"collection": self._collection, "generations": forgotten})
