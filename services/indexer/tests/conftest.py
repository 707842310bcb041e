"""Fixtures of the indexer's tests."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sightwire_indexer.settings import IndexerSettings

from services.indexer.tests.indexer_world import FakeSearcher, IndexerWorld, collection_record
from sightwire.blobs import open_blob_store
from sightwire.bus.connection import Bus
from sightwire.contracts.collections import CollectionRecord
from sightwire.platform.nats_server import NatsServer
from tests.plugin.bus import shared_settings


@pytest_asyncio.fixture(loop_scope="session")
async def world(fresh_nats_server: NatsServer, tmp_path: Path) -> AsyncIterator[IndexerWorld]:
    """A bus and a blob store of this test alone, with one searcher that loads everything at once."""
    shared = shared_settings(fresh_nats_server, tmp_path / "blobs")
    settings = IndexerSettings.model_validate(
        {
            **shared.model_dump(exclude_unset=True),
            "indexer_work_dir": tmp_path / "indexer",
            "indexer_backups_url": str(tmp_path / "backups"),
        }
    )
    async with Bus(settings, name="test") as bus:
        blobs = open_blob_store(settings.blobs_url)
        searcher = FakeSearcher(bus, blobs, tmp_path / "searcher")
        async with searcher.running():
            yield IndexerWorld(fresh_nats_server, settings, bus, blobs, searcher, tmp_path)


@pytest.fixture
def make_record(unique_name: Callable[..., str]) -> Callable[..., CollectionRecord]:
    """`make_record(uid=…)`: a collection under a name of its own."""

    def make(**members: Any) -> CollectionRecord:
        return collection_record(unique_name("things"), **members)

    return make
