"""Sends records to a platform: many at once, patiently, each with its own result."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from sightwire.cli.ingest_journal import IngestJournal
from sightwire.cli.ingest_sources import Record, UnreadableRecord
from sightwire.client import ApiError, AsyncSightwire, ConnectionFailedError, Picture

# Texts, vectors and references are small: one request carries many. Pictures travel one by one.
_BATCH_ITEMS = 512
_BATCH_BYTES = 1024 * 1024
#: Records that are read before the event loop hears of the first.
_READ_AHEAD = 64
_ATTEMPTS = 8
_LONGEST_PAUSE_SECONDS = 15.0


@dataclass
class IngestReport:
    """What became of the records."""

    accepted: list[str] = field(default_factory=list)
    skipped: int = 0
    #: Origin and reason of each record that was not taken.
    failed: list[tuple[str, str]] = field(default_factory=list)

    @property
    def seen(self) -> int:
        return len(self.accepted) + self.skipped + len(self.failed)


class IngestSender:
    """Sends to one collection, at most `concurrency` requests at once."""

    def __init__(
        self,
        sightwire: AsyncSightwire,
        collection: str,
        journal: IngestJournal,
        *,
        concurrency: int,
        on_progress: Callable[[IngestReport], None],
    ) -> None:
        self._sightwire = sightwire
        self._collection = collection
        self._journal = journal
        self._concurrency = concurrency
        self._on_progress = on_progress
        self.report = IngestReport()

    async def send(self, records: Iterator[Record | UnreadableRecord]) -> None:
        """Send every record that the journal does not know; `records` is read in a thread, ahead by one parcel."""
        parcels: asyncio.Queue[list[Record] | None] = asyncio.Queue(maxsize=self._concurrency)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(self._concurrency):
                tasks.create_task(self._work(parcels))
            async for parcel in self._parcels(records):
                await parcels.put(parcel)
            for _ in range(self._concurrency):
                await parcels.put(None)

    async def _parcels(self, records: Iterator[Record | UnreadableRecord]) -> AsyncIterator[list[Record]]:
        """What one request carries: a single picture, or a batch of small records."""
        batch: list[Record] = []
        batch_bytes = 0
        async for record in _read_in_thread(records):
            if isinstance(record, UnreadableRecord):
                self._note_failure(record.origin, record.reason)
            elif record.fingerprint in self._journal:
                self.report.skipped += 1
            elif record.picture is not None:
                yield [record]
            else:
                batch.append(record)
                batch_bytes += record.size
                if len(batch) >= _BATCH_ITEMS or batch_bytes >= _BATCH_BYTES:
                    yield batch
                    batch, batch_bytes = [], 0
        if batch:
            yield batch
        self._on_progress(self.report)

    async def _work(self, parcels: "asyncio.Queue[list[Record] | None]") -> None:
        while (parcel := await parcels.get()) is not None:
            try:
                await self._send_patiently(parcel)
            except (ApiError, ConnectionFailedError, OSError) as error:
                for record in parcel:
                    self._note_failure(record.origin, str(error))

    async def _send_patiently(self, parcel: Sequence[Record]) -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                if len(parcel) == 1 and parcel[0].picture is not None:
                    await self._send_picture(parcel[0])
                else:
                    await self._send_batch(parcel)
            except (ApiError, ConnectionFailedError) as error:
                may_succeed_later = not isinstance(error, ApiError) or error.may_succeed_later
                if attempt == _ATTEMPTS or not may_succeed_later:
                    raise
                await asyncio.sleep(min(_LONGEST_PAUSE_SECONDS, 0.5 * 2.0**attempt))
            else:
                return

    async def _send_picture(self, record: Record) -> None:
        assert record.picture is not None, "only records with a local picture are sent one by one"
        data = await asyncio.to_thread(record.picture.read_bytes)
        members = {name: value for name, value in record.item.items() if name != "image"}
        await self._sightwire.items.put(self._collection, image=Picture(data, record.picture.name), **members)
        self._note_acceptances([record])

    async def _send_batch(self, parcel: Sequence[Record]) -> None:
        result = await self._sightwire.items.put_many(self._collection, [record.item for record in parcel])
        self._note_acceptances([parcel[accepted.index] for accepted in result.accepted])
        for failed in result.failed:
            self._note_failure(parcel[failed.index].origin, failed.reason)

    def _note_acceptances(self, records: Sequence[Record]) -> None:
        self._journal.add(*(record.fingerprint for record in records))
        self.report.accepted += [record.id for record in records]
        self._on_progress(self.report)

    def _note_failure(self, origin: str, reason: str) -> None:
        self.report.failed.append((origin, reason))
        self._on_progress(self.report)


async def _read_in_thread(records: Iterator[Record | UnreadableRecord]) -> AsyncIterator[Record | UnreadableRecord]:
    """The records, some at a time: a change of threads costs more than reading one of them."""
    while some := await asyncio.to_thread(lambda: list(islice(records, _READ_AHEAD))):
        for record in some:
            yield record


async def wait_until_final(
    sightwire: AsyncSightwire,
    collection: str,
    item_ids: Sequence[str],
    *,
    concurrency: int,
    seconds: float,
    on_progress: Callable[[int], None],
) -> list[tuple[str, str]]:
    """Return once every item is searchable or has failed; id and reason of those that are not searchable.

    Each item has `seconds` to become final.
    """
    slots = asyncio.Semaphore(concurrency)
    problems: list[tuple[str, str]] = []
    done = 0

    async def wait(item_id: str) -> None:
        nonlocal done
        async with slots:
            try:
                status = await sightwire.items.wait(collection, item_id, timeout=seconds)
            except (ApiError, ConnectionFailedError) as error:
                problems.append((item_id, str(error)))
            else:
                if status.state != "searchable":
                    problems.append((item_id, status.reason or status.state))
        done += 1
        on_progress(done)

    async with asyncio.TaskGroup() as tasks:
        for item_id in item_ids:
            tasks.create_task(wait(item_id))
    return problems
