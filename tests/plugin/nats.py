"""Real NATS servers for tests."""

import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import nats
import pytest
import pytest_asyncio
from nats.aio.client import Client

from sightwire.platform.nats_server import NatsServer


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def nats_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NatsServer]:
    """One server with JetStream for the whole session; address and credentials in `nats_server.access`.

    Tests share its streams and buckets: give collections names of their own (`unique_name`), or take
    `fresh_nats_server`.
    """
    async with NatsServer(tmp_path_factory.mktemp("nats")) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def fresh_nats_server(tmp_path: Path) -> AsyncIterator[NatsServer]:
    """A server for this test alone (about 0.1 s), for tests that stop it, kill it, or count its streams."""
    async with NatsServer(tmp_path / "nats-server") as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def module_nats_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NatsServer]:
    """A server for the tests of one module."""
    async with NatsServer(tmp_path_factory.mktemp("nats")) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def nats_connection(nats_server: NatsServer) -> AsyncIterator[Client]:
    """A plain nats-py connection to the session's server."""
    connection = await nats.connect(nats_server.access.url_with_credentials)
    yield connection
    await connection.close()


@pytest.fixture
def unique_name() -> Callable[..., str]:
    """`unique_name("photos")` is a collection name that no other test uses."""

    def name(stem: str = "test") -> str:
        return f"{stem}-{uuid.uuid4().hex[:12]}"

    return name
