"""Connections to the bus and blob stores for tests, made the way services make them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from sightwire.blobs import BlobStore, open_blob_store
from sightwire.bus.connection import Bus
from sightwire.contracts.streams import INGEST, REEMBED
from sightwire.platform.nats_server import NatsServer
from sightwire.settings import SharedSettings


def shared_settings(server: NatsServer, blobs: Path) -> SharedSettings:
    """Settings of a service that uses this server and this blob folder."""
    return SharedSettings.model_validate(
        {
            "nats_url": server.access.url,
            "nats_user": server.access.user,
            "nats_password": server.access.password,
            "blobs_url": str(blobs),
        }
    )


@pytest.fixture
def settings(nats_server: NatsServer, tmp_path: Path) -> SharedSettings:
    """Shared settings that point to the session's server and to blobs of this test alone."""
    return shared_settings(nats_server, tmp_path / "blobs")


@pytest_asyncio.fixture(loop_scope="session")
async def bus(settings: SharedSettings) -> AsyncIterator[Bus]:
    """A service's connection to the session's server, with all streams and buckets."""
    async with Bus(settings, name="test") as connected:
        yield connected
        # What a test leaves in these would be waited for in others.
        for stream in (INGEST, REEMBED):
            await connected.jetstream.purge_stream(stream.name)


@pytest.fixture
def blobs(settings: SharedSettings) -> BlobStore:
    """An empty blob store in a folder of this test."""
    return open_blob_store(settings.blobs_url)
