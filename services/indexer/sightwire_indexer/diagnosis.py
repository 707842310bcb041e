"""What an indexer finds about itself and about a collection that it owns."""

from pathlib import Path

from sightwire.blobs.store import BlobStore
from sightwire.bus.connection import Bus
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.control import Diagnosis
from sightwire.segments.index_writer import IndexWriter
from sightwire.segments.merge_policy import MergePolicy


class Diagnoser:
    """Of one collection."""

    def __init__(
        self,
        record: CollectionRecord,
        writer: IndexWriter,
        bus: Bus,
        blobs: BlobStore,
        *,
        work_dir: Path,
        policy: MergePolicy,
    ) -> None:
        self._record = record
        self._writer = writer
        self._bus = bus
        self._blobs = blobs
        self._work_dir = work_dir
        self._policy = policy

    async def diagnose(self) -> Diagnosis:
        """Looks at everything that it knows how to judge; a look that fails is a finding, too."""
        raise NotImplementedError
