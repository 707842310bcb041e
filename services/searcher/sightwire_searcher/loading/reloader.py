"""Decides when which collection is loaded: one load at a time per collection, the newest wins, failures are retried."""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Final

from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.events import IndexReady
from sightwire.ending_tasks import end_tasks
from sightwire.errors import SightwireError, UnknownCollectionError
from sightwire_searcher import metrics
from sightwire_searcher.loading.loader import SnapshotLoader
from sightwire_searcher.loading.reload_requests import ReloadRequest
from sightwire_searcher.loading.reload_tracing import reload_span
from sightwire_searcher.snapshot import Snapshot
from sightwire_searcher.snapshot_board import SnapshotBoard

logger = logging.getLogger(__name__)

_FIRST_RETRY_SECONDS: Final = 0.1
_MAX_RETRY_SECONDS: Final = 30.0
#: How long a query waits for a collection that was created just now.
_FIRST_LOAD_SECONDS: Final = 5.0


class Reloader:
    """Keeps the board current with the collections and their manifests; belongs to the event loop.

    Args:
        loaded: called after a snapshot has begun to answer.
        searcher: this searcher's id, for traces.
    """

    def __init__(
        self, loader: SnapshotLoader, board: SnapshotBoard, *, loaded: Callable[[], None], searcher: str
    ) -> None:
        self._loader = loader
        self._board = board
        self._loaded = loaded
        self._searcher = searcher
        self._records: dict[str, CollectionRecord] = {}
        self._requests: dict[str, ReloadRequest] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._problems: dict[str, str] = {}

    @property
    def problem(self) -> str | None:
        """Why this searcher cannot answer for every collection; None when it can."""
        missing = [name for name in self._records if self._board.newest(name) is None]
        if not missing:
            return None
        reasons = [f"{name}: {self._problems.get(name, 'is being loaded')}" for name in sorted(missing)]
        return f"collections without a snapshot: {'; '.join(reasons)}"

    async def collection_changed(self, name: str, record: CollectionRecord | None) -> None:
        """Listener of the collection directory. Returns at once; the load goes on in the background."""
        if record is None or not record.has_index:
            await self._drop(name)
            return
        known, record = self._records.get(name), record.of_own_index
        if known == record:
            return
        if known is not None and known.uid != record.uid:
            await self._drop(name)
        self._records[name] = record
        self._request(ReloadRequest(record))

    def index_ready(self, event: IndexReady) -> None:
        """A manifest was committed. Of a collection that is not known yet, the directory will tell soon."""
        record = self._records.get(event.collection)
        if record is None or record.uid != event.collection_uid:
            logger.debug("ignored an event of another incarnation", extra={"collection": event.collection})
            return
        self._request(ReloadRequest.for_event(record, event))

    async def check_all(self, records: Iterable[CollectionRecord]) -> None:
        """Compares with `records`, all collections, and loads what is newest of each, in case an event was missed."""
        present = {record.name: record for record in records if record.has_index}
        for name in self._records.keys() - present.keys():
            await self._drop(name)
        for record in present.values():
            await self.collection_changed(record.name, record)
            if record.name not in self._tasks:
                self._request(ReloadRequest(record))

    async def loaded_snapshot(self, record: CollectionRecord) -> Snapshot | None:
        """The snapshot of a collection that was created just now, loading it first; None if that fails.

        Raises:
            UnknownCollectionError: it has no index of its own.
        """
        if not record.has_index:
            raise UnknownCollectionError(
                f"collection {record.name!r} has no index of its own; {record.index_name!r} answers for it"
            )
        await self.collection_changed(record.name, self._records.get(record.name) or record)
        task = self._tasks.get(record.name)
        if task is not None and self._board.newest(record.name) is None:
            await asyncio.wait([task], timeout=_FIRST_LOAD_SECONDS)
        return self._board.newest(record.name)

    async def close(self) -> None:
        """Stops loading."""
        await end_tasks(*self._tasks.values())

    def _request(self, request: ReloadRequest) -> None:
        name = request.record.name
        waiting = self._requests.get(name)
        self._requests[name] = waiting.joined_with(request) if waiting is not None else request
        if name not in self._tasks:
            task = asyncio.create_task(self._work(name), name=f"reload {name}")
            self._tasks[name] = task

    async def _work(self, name: str) -> None:
        """Loads until nothing is asked for any more."""
        delay = _FIRST_RETRY_SECONDS
        try:
            while (request := self._requests.pop(name, None)) is not None:
                try:
                    await self._load(request)
                    delay = _FIRST_RETRY_SECONDS
                    self._problems.pop(name, None)
                except Exception as error:
                    self._report(name, error)
                    newer = self._requests.get(name)
                    self._requests[name] = request.joined_with(newer) if newer is not None else request
                    # Jitter keeps replicas from asking a store that recovers all at once.
                    await asyncio.sleep(delay * random.uniform(0.5, 1.0))  # noqa: S311
                    delay = min(2 * delay, _MAX_RETRY_SECONDS)
        finally:
            if self._tasks.get(name) is asyncio.current_task():
                del self._tasks[name]

    async def _load(self, request: ReloadRequest) -> None:
        name = request.record.name
        previous = self._board.newest(name)
        if request.version is not None and previous is not None and _has(previous, request):
            # Loaded already, on account of another request; its items' traces are told all the same.
            with reload_span(request, self._searcher):
                return
        started = time.perf_counter()
        with reload_span(request, self._searcher) as span:
            snapshot = await self._loader.load(request.record, request.version, previous)
            is_new = previous is None or (previous.incarnation, previous.version) != (
                snapshot.incarnation,
                snapshot.version,
            )
            # A search must never go back in time, whatever order requests come in.
            goes_back = (
                previous is not None
                and previous.incarnation == snapshot.incarnation
                and snapshot.version < previous.version
            )
            if not goes_back:
                self._board.publish(snapshot)
            span.set_attribute("sightwire.manifest_version", snapshot.version)
        if goes_back or not is_new:
            return
        metrics.RELOAD_SECONDS.observe(time.perf_counter() - started)
        _observe(snapshot, request)
        self._loaded()
        logger.info(
            "loaded",
            extra={
                "collection": name,
                "manifest_version": snapshot.version,
                "segments": len(snapshot.segments),
                "items": snapshot.items,
                "seconds": round(time.perf_counter() - started, 4),
            },
        )
        await self._loader.remove_unused(snapshot)

    async def _drop(self, name: str) -> None:
        record = self._records.pop(name, None)
        self._requests.pop(name, None)
        task = self._tasks.pop(name, None)
        if task is not None:
            await end_tasks(task)
        self._board.drop(name)
        self._problems.pop(name, None)
        metrics.forget_collection(name)
        if record is not None:
            self._loaded()
            await self._loader.remove_all(record)
            logger.info("dropped", extra={"collection": name})

    def _report(self, name: str, error: Exception) -> None:
        code = error.code if isinstance(error, SightwireError) else type(error).__name__
        self._problems[name] = str(error)
        metrics.RELOAD_ERRORS.labels(name, code).inc()
        logger.error("cannot load a collection, trying again", extra={"collection": name}, exc_info=error)


def _has(snapshot: Snapshot, request: ReloadRequest) -> bool:
    """Whether a snapshot contains what the request asks for."""
    return snapshot.incarnation == request.record.uid and snapshot.version >= (request.version or 0)


def _observe(snapshot: Snapshot, request: ReloadRequest) -> None:
    name = snapshot.record.name
    metrics.SNAPSHOT_VERSION.labels(name).set(snapshot.version)
    metrics.ITEMS.labels(name).set(snapshot.items)
    metrics.SEGMENTS.labels(name).set(len(snapshot.segments))
    metrics.RESIDENT_BYTES.labels(name).set(snapshot.resident_bytes)
    if request.committed_at is not None:
        metrics.RELOAD_LAG_SECONDS.labels(name).set((datetime.now(UTC) - request.committed_at).total_seconds())
