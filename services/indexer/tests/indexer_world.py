"""An indexer in this process or as one of its own, the items it gets, and a searcher that loads what it commits."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from sightwire_indexer.app import run
from sightwire_indexer.settings import IndexerSettings

from services.indexer.tests.searcher_answers import SearcherAnswers, serve
from sightwire.blobs import BlobStore
from sightwire.bus.collections import CollectionRegistry
from sightwire.bus.connection import Bus
from sightwire.bus.searchers import announce_searcher, withdraw_searcher
from sightwire.contracts import subjects
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.events import IndexFailed, IndexReady, SearcherAnnouncement
from sightwire.platform.nats_server import NatsServer
from sightwire.platform.ports import find_free_port
from sightwire.service.runner import ServiceContext
from sightwire.v1 import events_pb2, searcher_pb2
from tests.plugin.index_reading import IndexContent, read_index
from tests.plugin.waiting import wait_until

DIMENSION = 8


def collection_record(name: str, uid: str = "0123456789ab", **spec: Any) -> CollectionRecord:
    """A collection with the user's own vectors; `spec` adds to its specification."""
    return CollectionRecord.model_validate(
        {
            "spec": {
                "name": name,
                "fields": {"vector": {"source": "user", "dimension": DIMENSION}},
                "metadata": {"price": {"type": "float"}},
                **spec,
            },
            "uid": uid,
            "created_at": datetime.now(UTC),
        }
    )


def embedded_item(
    item_id: str, version: int, *, deleted: bool = False, vector: Sequence[float] | None = None, **members: Any
) -> events_pb2.EmbeddedItem:
    """An item with a vector of its own; `members` are those of the message."""
    item = events_pb2.EmbeddedItem(item_id=item_id, version=version, deleted=deleted, **members)
    if not deleted:
        numbers = np.random.default_rng(version).random(DIMENSION) if vector is None else vector
        data = np.asarray(numbers, dtype="<f4").tobytes()
        field_vectors = item.vectors.add(field="vector")
        field_vectors.matrix.data = data
        field_vectors.matrix.rows = 1
        field_vectors.matrix.dimension = len(data) // 4
        if not item.HasField("time"):
            item.time.FromDatetime(datetime(2026, 1, 2, 3, 4, 5, 600_000, tzinfo=UTC))
    return item


def embedded_batch(record: CollectionRecord, items: Sequence[events_pb2.EmbeddedItem]) -> events_pb2.EmbeddedBatch:
    return events_pb2.EmbeddedBatch(
        collection=record.name, collection_uid=record.uid, space=record.space, items=list(items)
    )


@dataclass
class FakeSearcher:
    """Announces each manifest that it hears of, and answers from it by gRPC; and keeps every event."""

    bus: Bus
    blobs: BlobStore
    cache: Path
    name: str = "searcher-1"
    #: While false, it hears of manifests but does not load them.
    loading: bool = True
    ready: list[IndexReady] = field(default_factory=list)
    failed: list[IndexFailed] = field(default_factory=list)
    #: Set it to have its search answers changed before they go out.
    disturb: Callable[[searcher_pb2.SearchResponse], None] | None = None
    _manifests: dict[str, int] = field(default_factory=dict)
    _address: str = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator["FakeSearcher"]:
        ready = await self.bus.client.subscribe(subjects.index_ready("*"), cb=self._on_ready)
        failed = await self.bus.client.subscribe(subjects.index_failed("*"), cb=self._on_failed)
        server, self._address = await serve(
            SearcherAnswers(self.blobs, self.cache, self._manifests, lambda: self.disturb)
        )
        await self.announce()
        try:
            yield self
        finally:
            await server.stop(None)
            await ready.unsubscribe()
            await failed.unsubscribe()
            await withdraw_searcher(self.bus, self.name)

    async def announce(self) -> None:
        announcement = SearcherAnnouncement(searcher=self.name, address=self._address, manifests=self._manifests)
        await announce_searcher(self.bus, announcement)

    async def forget(self) -> None:
        """Drops everything, as one that starts on another platform."""
        self.ready.clear()
        self._manifests.clear()
        await self.announce()

    async def load(self) -> None:
        """Loads the newest manifests that it heard of, and goes on loading."""
        self.loading = True
        for event in self.ready:
            self._manifests[f"{event.collection}-{event.collection_uid}"] = event.manifest_version
        await self.announce()

    async def _on_ready(self, message: Any) -> None:
        self.ready.append(IndexReady.model_validate_json(message.data))
        if self.loading:
            await self.load()

    async def _on_failed(self, message: Any) -> None:
        self.failed.append(IndexFailed.model_validate_json(message.data))


@dataclass
class IndexerWorld:
    """Everything around an indexer: bus, blobs, a collection and its items."""

    server: NatsServer
    settings: IndexerSettings
    bus: Bus
    blobs: BlobStore
    searcher: FakeSearcher
    folder: Path

    async def create(self, record: CollectionRecord) -> CollectionRecord:
        await CollectionRegistry(self.bus).create(record)
        return record

    async def publish(self, record: CollectionRecord, *items: events_pb2.EmbeddedItem) -> int:
        """Publishes items as one message, as the embedder does; returns its sequence."""
        return await self.publish_bytes(record, embedded_batch(record, items).SerializeToString())

    async def publish_bytes(self, record: CollectionRecord, payload: bytes) -> int:
        acknowledgement = await self.bus.publish(subjects.embedded(record.name, record.space), payload, {})
        return acknowledgement.seq

    async def content(self, record: CollectionRecord) -> IndexContent | None:
        return await read_index(self.blobs, record, self.folder / "reader")

    async def indexed_up_to(self, record: CollectionRecord, sequence: int, deadline: float = 20.0) -> IndexContent:
        """The index once it contains the log up to `sequence`."""

        async def contains() -> IndexContent | None:
            content = await self.content(record)
            if content is None:
                return None
            assert content.manifest.checkpoint.sequence >= sequence, content.manifest
            return content

        return await wait_until(contains, deadline, f"indexing up to {sequence}")

    @asynccontextmanager
    async def indexer(self, **settings: Any) -> AsyncIterator[ServiceContext[IndexerSettings]]:
        """An indexer in this process, drained at the end."""
        context = ServiceContext(self.settings.model_copy(update=settings))
        task = asyncio.create_task(run(context))
        try:
            await wait_until(lambda: task.done() or context.health.report().problems.get("start", "") is None)
            yield context
        finally:
            context.stopping.set()
            await task

    @asynccontextmanager
    async def indexer_process(self, **environment: str) -> AsyncIterator["IndexerProcess"]:
        """An indexer as a process of its own."""
        process = IndexerProcess(self.settings, environment)
        try:
            yield process
        finally:
            await process.kill()


@dataclass
class IndexerProcess:
    """`python -m sightwire_indexer`, to be killed."""

    settings: IndexerSettings
    environment: dict[str, str]
    _process: asyncio.subprocess.Process | None = None
    _port: int = 0

    async def start(self) -> None:
        self._port = find_free_port()
        assert self.settings.nats_password is not None
        environment = {
            "SIGHTWIRE_NATS_URL": self.settings.nats_url,
            "SIGHTWIRE_NATS_USER": self.settings.nats_user or "",
            "SIGHTWIRE_NATS_PASSWORD": self.settings.nats_password.get_secret_value(),
            "SIGHTWIRE_BLOBS_URL": self.settings.blobs_url,
            "SIGHTWIRE_INDEXER_WORK_DIR": str(self.settings.indexer_work_dir),
            "SIGHTWIRE_INDEXER_BACKUPS_URL": self.settings.indexer_backups_url,
            "SIGHTWIRE_OPS_PORT": str(self._port),
            "SIGHTWIRE_LOG_LEVEL": "WARNING",
            **self.environment,
        }
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "sightwire_indexer", env={**os.environ, **environment}
        )

    async def is_ready(self) -> bool:
        async with httpx.AsyncClient() as client:
            try:
                return (await client.get(f"http://127.0.0.1:{self._port}/readyz")).status_code == 200
            except httpx.TransportError:
                return False

    async def kill(self) -> None:
        """SIGKILL: nothing is drained."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def stop(self) -> int:
        """SIGTERM; returns the exit status."""
        assert self._process is not None
        self._process.terminate()
        return await self._process.wait()
