"""What an indexer finds about itself and about a collection that it owns."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from nats.errors import Error as NatsError
from nats.js.errors import Error as JetStreamError

from sightwire.blobs.store import BlobStore
from sightwire.bus.connection import Bus
from sightwire.bus.dead_letters import count_dead_letters
from sightwire.bus.records import RecordReader
from sightwire.bus.server_time import measure_clock_offset
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.control import Diagnosis, Finding
from sightwire.contracts.operations import OperationRecord
from sightwire.contracts.schedules import ScheduleRecord
from sightwire.contracts.streams import OPERATIONS, SCHEDULES
from sightwire.errors import NotFoundError, SightwireError
from sightwire.segments.index_writer import IndexWriter
from sightwire.segments.layout import IndexLayout
from sightwire.segments.manifest_store import ManifestStore
from sightwire.segments.merge_policy import MergePolicy, SegmentSize
from sightwire_indexer import findings
from sightwire_indexer.process_limits import Usage, measure_process

#: Newest manifests whose times are compared.
_MANIFESTS: Final = 20


class Diagnoser:
    """Of one index.

    Args:
        answered: the users' collection that the index answers for now; None if it answers for none.
    """

    def __init__(
        self,
        record: CollectionRecord,
        writer: IndexWriter,
        bus: Bus,
        blobs: BlobStore,
        *,
        work_dir: Path,
        policy: MergePolicy,
        answered: Callable[[], CollectionRecord | None],
    ) -> None:
        self._record = record
        self._writer = writer
        self._bus = bus
        self._blobs = blobs
        self._work_dir = work_dir
        #: May be replaced.
        self.policy = policy
        self._answered = answered
        self._operations = RecordReader(bus, OPERATIONS, OperationRecord)
        self._schedules = RecordReader(bus, SCHEDULES, ScheduleRecord)

    async def diagnose(self) -> Diagnosis:
        """Looks at everything that it knows how to judge; a look that fails is a finding, too."""
        looks: dict[str, Callable[[], Awaitable[list[Finding]]]] = {
            "disk": self._disks,
            "segments": self._segments,
            "checksums and operations": self._past_operations,
            "schedules": self._paused_schedules,
            "dead letters": self._dead_letters,
            "clock": self._clock,
            "manifest times": self._manifest_times,
            "process limits": self._limits,
        }
        found: list[Finding] = []
        for check, look in looks.items():
            try:
                found += await look()
            except (SightwireError, NatsError, JetStreamError, OSError) as error:
                found.append(findings.unknown(check, error))
        return Diagnosis(collection=self._record.users_name, findings=tuple(found))

    async def _disks(self) -> list[Finding]:
        entries = self._writer.manifest.segments
        index_bytes = sum(entry.disk_bytes for entry in entries)
        merge_bytes = findings.largest_merge_bytes(self._sizes(), index_bytes, self.policy)
        work_disk = await self._disk("copies and caches of the indexer", self._work_dir)
        if self._blobs.root is None:
            return [findings.judge_disk(work_disk, largest_merge_bytes=merge_bytes, index_bytes=index_bytes)]
        blob_disk = await self._disk("the blobs", self._blobs.root)
        return [
            findings.judge_disk(blob_disk, largest_merge_bytes=merge_bytes, index_bytes=index_bytes),
            findings.judge_disk(work_disk, largest_merge_bytes=0, index_bytes=0),
        ]

    @staticmethod
    async def _disk(name: str, folder: Path) -> findings.Disk:
        usage = await asyncio.to_thread(shutil.disk_usage, folder)
        return findings.Disk(name, usage.free, usage.total)

    async def _segments(self) -> list[Finding]:
        return [findings.judge_segments(self._sizes(), self.policy)]

    def _sizes(self) -> list[SegmentSize]:
        return [SegmentSize.of(entry) for entry in self._writer.manifest.segments]

    async def _past_operations(self) -> list[Finding]:
        operations = await self._operations.list(self._record)
        now = datetime.now(UTC)
        return [
            findings.judge_scan(operations, created_at=self._record.created_at, now=now),
            findings.judge_operations(operations, now=now),
        ]

    async def _paused_schedules(self) -> list[Finding]:
        collection = self._answered()
        return [findings.judge_schedules(await self._schedules.list(collection) if collection is not None else [])]

    async def _dead_letters(self) -> list[Finding]:
        collection = self._answered()
        names = {self._record.name} if collection is None else {self._record.name, collection.name}
        count = await count_dead_letters(self._bus, *names)
        return [findings.judge_dead_letters(count, now=datetime.now(UTC))]

    async def _clock(self) -> list[Finding]:
        return [findings.judge_clock(await measure_clock_offset(self._bus))]

    async def _manifest_times(self) -> list[Finding]:
        manifests = ManifestStore(self._blobs, IndexLayout.of(self._record))
        times: list[datetime] = []
        for version in (await manifests.versions())[-_MANIFESTS:]:
            try:
                times.append((await manifests.read(version)).created_at)
            except NotFoundError:
                # Removed since it was listed.
                continue
        return [findings.judge_manifest_times(times, now=datetime.now(UTC))]

    async def _limits(self) -> list[Finding]:
        usage = await asyncio.to_thread(measure_process)
        readers = [segment.live.reader for segment in self._writer.live.segments]
        files = sum(len(reader.description.files) for reader in readers)
        index_bytes = sum(reader.resident_bytes for reader in readers)
        return [
            findings.judge_share("open files", "open files", usage.files, "raise the limit of open files (ulimit -n)"),
            findings.judge_share(
                "mapped regions",
                f"mapped regions (this collection's segments have {files} files)",
                usage.maps,
                "raise vm.max_map_count",
            ),
            findings.judge_share(
                "memory", "bytes of memory", usage.memory, "give the indexer more memory, or smaller merges"
            ),
            findings.judge_share(
                "index memory",
                "bytes of memory for the index, if a searcher runs here",
                Usage(index_bytes, usage.memory.limit),
                "quantise the vectors (index type hnsw_sq), or give searchers more memory",
            ),
        ]
