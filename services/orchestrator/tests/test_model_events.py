"""What is told of models: stored with what it tells, published once however often it is sent."""

import asyncio
from pathlib import Path

import pytest
import pytest_asyncio
from sightwire_orchestrator.registry.events import ModelEventKind, ModelEventStore
from sightwire_orchestrator.registry.publishing import ModelEventPublisher
from sightwire_orchestrator.registry.service import ModelRegistry
from sightwire_orchestrator.storage.database import Database

from services.orchestrator.tests.made_bundles import make_bundle
from services.orchestrator.tests.orchestrator_world import orchestrator_world
from sightwire.blobs import open_blob_store
from sightwire.bundles import BundleError
from sightwire.contracts.streams import MODELS
from sightwire.errors import ConflictError, NotFoundError
from sightwire.platform.nats_server import NatsServer

pytestmark = pytest.mark.timeout(120)


@pytest_asyncio.fixture(loop_scope="session")
async def registry(database: Database, tmp_path: Path) -> ModelRegistry:
    return ModelRegistry(database, open_blob_store(str(tmp_path / "blobs")))


async def waiting(database: Database) -> list[tuple[ModelEventKind, str]]:
    return [(event.kind, event.id) for event in await ModelEventStore(database).waiting(100)]


async def test_each_change_is_kept_once(database: Database, registry: ModelRegistry, tmp_path: Path) -> None:
    folder = make_bundle(tmp_path)
    await asyncio.gather(*(registry.register(folder) for _ in range(3)))
    await registry.register(make_bundle(tmp_path, version="2"))
    moves = [registry.aliases.move("tiny", "live", "1", expected=None) for _ in range(3)]
    results = await asyncio.gather(*moves, return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["AliasMove", "ConflictError", "ConflictError"]
    await registry.aliases.move("tiny", "live", "2", expected="1")
    await registry.aliases.roll_back("tiny", "live")
    await registry.aliases.move("tiny", "live", None, expected="1")
    assert await waiting(database) == [
        (ModelEventKind.REGISTERED, "tiny:1.registered"),
        (ModelEventKind.REGISTERED, "tiny:2.registered"),
        (ModelEventKind.PROMOTED, "tiny@live.1"),
        (ModelEventKind.PROMOTED, "tiny@live.2"),
        (ModelEventKind.ROLLED_BACK, "tiny@live.3"),
    ]


async def test_nothing_is_told_of_what_was_refused(database: Database, registry: ModelRegistry, tmp_path: Path) -> None:
    altered = make_bundle(tmp_path, "altered")
    (altered / "graphs/image.onnx").write_bytes(b"altered")
    with pytest.raises(BundleError):
        await registry.register(altered)
    await registry.register(make_bundle(tmp_path))
    await registry.deprecate("tiny:1", "slow")
    with pytest.raises(ConflictError, match="deprecated"):
        await registry.aliases.move("tiny", "live", "1", expected=None)
    with pytest.raises(NotFoundError):
        await registry.aliases.move("tiny", "live", "2", expected=None)
    assert await waiting(database) == [(ModelEventKind.REGISTERED, "tiny:1.registered")]


async def test_publishers_that_are_at_it_at_once_tell_each_event_once(
    fresh_nats_server: NatsServer, tmp_path: Path
) -> None:
    versions = [str(number) for number in range(1, 6)]
    async with orchestrator_world(fresh_nats_server, tmp_path) as world, world.registry() as registry:
        for version in versions:
            await registry.register(make_bundle(tmp_path, version=version))
        async with world.database() as database:
            publishers = [ModelEventPublisher(world.bus, ModelEventStore(database)) for _ in range(3)]
            await asyncio.gather(*(publisher.publish_waiting() for publisher in publishers))
            assert await waiting(database) == []
        stream = await world.bus.jetstream.stream_info(MODELS.name)
        assert stream.state.messages == len(versions)
