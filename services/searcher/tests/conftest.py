"""A running searcher for tests: the real one, in this process, on the session's real NATS server."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
import pytest_asyncio
from sightwire_searcher.app import run
from sightwire_searcher.settings import SearcherSettings

from services.searcher.tests.building import collection_record
from services.searcher.tests.index_writer import IndexWriter
from sightwire.blobs import BlobStore
from sightwire.bus.collections import CollectionRegistry
from sightwire.bus.connection import Bus
from sightwire.bus.searchers import SearcherDirectory
from sightwire.contracts.collections import CollectionRecord
from sightwire.platform.ports import find_free_port
from sightwire.service.runner import ServiceContext
from sightwire.settings import SharedSettings
from sightwire.v1 import searcher_pb2_grpc
from tests.plugin.waiting import wait_until


@dataclass
class RunningSearcher:
    """A searcher and a client of it."""

    stub: Any
    channel: grpc.aio.Channel
    context: ServiceContext[SearcherSettings]
    name: str
    directory: SearcherDirectory

    def announced(self, record: CollectionRecord) -> int:
        """Manifest version of a collection that this searcher has announced."""
        for announcement in self.directory.all():
            if announcement.searcher == self.name:
                return announcement.manifests.get(f"{record.name}-{record.uid}", 0)
        return 0

    async def has_announced(self, record: CollectionRecord, version: int) -> None:
        await wait_until(lambda: self.announced(record) >= version, describe=f"announcement of version {version}")


def is_ready(context: ServiceContext[SearcherSettings]) -> bool:
    report = context.health.report()
    # No check has been added before the service has run its first lines.
    return bool(report.problems) and report.is_ready


@asynccontextmanager
async def running_searcher(
    settings: SharedSettings, bus: Bus, cache: Path, **overrides: Any
) -> AsyncIterator[RunningSearcher]:
    """Runs a searcher until the block ends, then drains it."""
    port = find_free_port()
    name = f"searcher-{port}"
    context = ServiceContext(
        SearcherSettings.model_validate(
            {
                **settings.model_dump(),
                "searcher_port": port,
                "searcher_id": name,
                "searcher_cache_dir": cache,
                "drain_seconds": 5.0,
                **overrides,
            }
        )
    )
    task = asyncio.create_task(run(context))
    try:
        await wait_until(lambda: task.done() or is_ready(context), describe="readiness")
        if task.done():
            await task
        async with (
            SearcherDirectory(bus) as directory,
            grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
        ):
            yield RunningSearcher(searcher_pb2_grpc.SearcherStub(channel), channel, context, name, directory)
    finally:
        context.health.start_draining()
        context.stopping.set()
        await task


@pytest_asyncio.fixture(loop_scope="session")
async def searcher(settings: SharedSettings, bus: Bus, tmp_path: Path) -> AsyncIterator[RunningSearcher]:
    """A searcher on blobs of this test alone."""
    async with running_searcher(settings, bus, tmp_path / "cache") as running:
        yield running


@dataclass
class CreatedCollection:
    """A registered collection and who writes its index."""

    record: CollectionRecord
    writer: IndexWriter


CreateCollection = Callable[..., Any]


@pytest.fixture
def create_collection(bus: Bus, blobs: BlobStore, tmp_path: Path, unique_name: Callable[..., str]) -> CreateCollection:
    """`await create_collection(fields=…, metadata=…)` registers a collection with a name of its own."""

    async def create(**parts: Mapping[str, Any]) -> CreatedCollection:
        record = collection_record(unique_name("photos"), **parts)
        await CollectionRegistry(bus).create(record)
        return CreatedCollection(record, IndexWriter(blobs, record, tmp_path / "writer", bus))

    return create
