"""Models asked for over a real bus: what is refused changes nothing, and what is changed is told once."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from nats.js.api import ConsumerConfig, DeliverPolicy
from pydantic import BaseModel

from services.orchestrator.tests.made_bundles import make_bundle
from services.orchestrator.tests.orchestrator_world import OrchestratorWorld, orchestrator_world
from sightwire.bus.collections import CollectionRegistry
from sightwire.bus.embedders import announce_embedder, withdraw_embedder
from sightwire.bus.orchestrator import OrchestratorClient
from sightwire.contracts.collections import CollectionRecord, CollectionSpec
from sightwire.contracts.embedding_models import EmbedderAnnouncement
from sightwire.contracts.model_control import (
    AliasMoves,
    AnnotateModel,
    BundleFolder,
    CompareModels,
    DeprecateModel,
    ListAliases,
    ListModels,
    ListServedModels,
    LoadModel,
    ModelList,
    ModelRegistration,
    ReadAliasHistory,
    ReadLineage,
    ReadModel,
    RegisteredModel,
    RegisterModel,
    RemoveAlias,
    RollBackAlias,
    ServedModel,
    ServedModels,
    ServingState,
    SetAlias,
    StoredBundle,
    SwitchModel,
    UnloadModel,
)
from sightwire.contracts.models import (
    AliasMove,
    ModelComparison,
    ModelId,
    ModelLineage,
    ModelNotes,
    ModelPromoted,
    ModelRegistered,
    ModelRolledBack,
)
from sightwire.contracts.streams import MODELS
from sightwire.errors import ConflictError, InvalidInputError, NotFoundError, UnavailableError
from sightwire.platform.nats_server import NatsServer
from tests.plugin.waiting import Eventually

pytestmark = pytest.mark.timeout(180)

_TOLD: dict[str, type[BaseModel]] = {
    "models.registered": ModelRegistered,
    "models.promoted": ModelPromoted,
    "models.rolled_back": ModelRolledBack,
}


class Models:
    """What a test asks of the orchestrator."""

    def __init__(self, world: OrchestratorWorld) -> None:
        self.world = world
        self.ask = OrchestratorClient(world.bus).ask_models

    async def register(self, folder: Path, **members: Any) -> ModelRegistration:
        bundle = BundleFolder(path=str(folder))
        return await self.ask(RegisterModel(bundle=bundle, by="ann", **members), ModelRegistration)

    async def names(self, **wanted: Any) -> list[str]:
        found = await self.ask(ListModels(**wanted), ModelList)
        return [str(each.model.id) for each in found.models]

    async def alias(self, version: str, **members: Any) -> AliasMove:
        return await self.ask(SetAlias(name="tiny", alias="live", version=version, **members), AliasMove)

    async def told(self) -> list[BaseModel]:
        """All events so far, in order."""
        stream = await self.world.bus.jetstream.stream_info(MODELS.name)
        if not stream.state.messages:
            return []
        config = ConsumerConfig(deliver_policy=DeliverPolicy.ALL)
        subscription = await self.world.bus.jetstream.pull_subscribe("models.*", stream=MODELS.name, config=config)
        messages = await subscription.fetch(stream.state.messages, timeout=10)
        await subscription.unsubscribe()
        return [_TOLD[message.subject].model_validate_json(message.data) for message in messages]


@pytest_asyncio.fixture(loop_scope="session")
async def world(fresh_nats_server: NatsServer, tmp_path: Path) -> AsyncIterator[OrchestratorWorld]:
    async with orchestrator_world(fresh_nats_server, tmp_path) as world:
        yield world


@pytest_asyncio.fixture(loop_scope="session")
async def models(world: OrchestratorWorld) -> AsyncIterator[Models]:
    async with world.service():
        yield Models(world)


async def test_versions_are_registered_found_and_compared(models: Models, tmp_path: Path) -> None:
    first = await models.register(make_bundle(tmp_path), notes=ModelNotes(tags=("small",)))
    assert first.is_new
    assert not (await models.register(tmp_path / "tiny-1")).is_new
    lineage = ModelLineage(parent=first.model.id)
    await models.register(make_bundle(tmp_path, version="2", weights=b"better", space="tiny-2"), lineage=lineage)
    await models.register(make_bundle(tmp_path, "other"))

    assert await models.names() == ["other:1", "tiny:2", "tiny:1"]
    assert await models.names(tag="small") == ["tiny:1"]
    assert await models.names(space="tiny-2") == ["tiny:2"]
    page = await models.ask(ListModels(limit=2), ModelList)
    assert await models.names(cursor=page.next_cursor) == ["tiny:1"]
    with pytest.raises(InvalidInputError, match="none that a page of models had"):
        await models.names(cursor="tiny")

    line = await models.ask(ReadLineage(model="tiny:2"), ModelList)
    assert [str(each.model.id) for each in line.models] == ["tiny:2", "tiny:1"]
    comparison = await models.ask(CompareModels(before="tiny:1", after="tiny:2"), ModelComparison)
    assert not comparison.same_space

    noted = await models.ask(AnnotateModel(model="tiny:1", notes=ModelNotes(tags=("old",))), RegisteredModel)
    assert (noted.model.notes.tags, noted.model.revision) == (("old",), 2)
    with pytest.raises(ConflictError, match="has revision 2 and not 1"):
        await models.ask(AnnotateModel(model="tiny:1", notes=ModelNotes(), expected_revision=1), RegisteredModel)


async def test_aliases_move_and_are_told(models: Models, tmp_path: Path, eventually: Eventually) -> None:
    await models.register(make_bundle(tmp_path))
    await models.register(make_bundle(tmp_path, version="2", space="tiny-2"))
    await models.alias("1", by="ann")
    await models.alias("2", expected="1", reason="better")
    with pytest.raises(ConflictError, match="means '2' and not '1'"):
        await models.alias("1", expected="1")
    assert await models.names(alias="live") == ["tiny:2"]
    back = await models.ask(RollBackAlias(name="tiny", alias="live"), AliasMove)
    assert back.version == "1"
    assert (await models.ask(ReadModel(model="tiny@live"), RegisteredModel)).aliases == ("live",)
    current = await models.ask(ListAliases(name="tiny"), AliasMoves)
    assert [move.revision for move in current.moves] == [3]
    removed = await models.ask(RemoveAlias(name="tiny", alias="live"), AliasMove)
    assert removed.version is None
    with pytest.raises(NotFoundError, match="no alias 'live'"):
        await models.ask(RemoveAlias(name="tiny", alias="live"), AliasMove)
    with pytest.raises(NotFoundError, match="no model 'none'"):
        await models.ask(ListAliases(name="none"), AliasMoves)
    history = await models.ask(ReadAliasHistory(name="tiny", alias="live"), AliasMoves)
    assert [move.version for move in history.moves] == [None, "1", "2", "1"]

    expected = 5

    async def all_told() -> bool:
        return len(await models.told()) == expected

    await eventually(all_told)
    told = await models.told()
    kinds = [ModelRegistered, ModelRegistered, ModelPromoted, ModelPromoted, ModelRolledBack]
    assert [type(event) for event in told] == kinds
    assert [event.space for event in told if isinstance(event, ModelPromoted | ModelRolledBack)] == [
        "tiny-1",
        "tiny-2",
        "tiny-1",
    ]
    assert told[-1] == ModelRolledBack(move=back, space="tiny-1")


async def test_what_changed_without_an_orchestrator_is_told_by_the_next_one(
    world: OrchestratorWorld, tmp_path: Path, eventually: Eventually
) -> None:
    models = Models(world)
    async with world.registry() as registry:
        await registry.register(make_bundle(tmp_path), by="cli")
    assert await models.told() == []
    async with world.service():
        [told] = await eventually(models.told)
    assert isinstance(told, ModelRegistered)
    assert (str(told.model), told.by) == ("tiny:1", "cli")
    async with world.service(), world.registry() as registry:
        await registry.aliases.move("tiny", "live", "1", expected=None)

        async def both() -> bool:
            return [type(event) for event in await models.told()] == [ModelRegistered, ModelPromoted]

        await eventually(both)


async def test_a_bundle_with_a_wrong_checksum_leaves_nothing(models: Models, tmp_path: Path) -> None:
    folder = make_bundle(tmp_path)
    (folder / "graphs/image.onnx").write_bytes(b"altered")
    with pytest.raises(InvalidInputError, match=r"graphs/image\.onnx"):
        await models.register(folder)
    with pytest.raises(InvalidInputError, match=r"bundle\.yaml"):
        await models.register(tmp_path / "nowhere")
    with pytest.raises(InvalidInputError, match="expected sha256"):
        await models.register(make_bundle(tmp_path, "other"), expected_sha256="0" * 64)
    with pytest.raises(NotFoundError, match=r"no bundle\.yaml below 'nowhere'"):
        await models.ask(RegisterModel(bundle=StoredBundle(prefix="nowhere")), ModelRegistration)
    assert await models.names(with_deprecated=True) == []
    assert await models.told() == []


async def test_a_deprecated_version_gets_no_alias(models: Models, tmp_path: Path) -> None:
    await models.register(make_bundle(tmp_path))
    await models.register(make_bundle(tmp_path, version="2"))
    await models.alias("2")
    with pytest.raises(ConflictError, match="is live"):
        await models.ask(DeprecateModel(model="tiny:2", reason="slow"), RegisteredModel)
    replacement = ModelId(name="tiny", version="2")
    await models.ask(DeprecateModel(model="tiny:1", reason="slow", replacement=replacement), RegisteredModel)
    with pytest.raises(ConflictError, match="tiny:1 is deprecated and gets no alias"):
        await models.alias("1")
    with pytest.raises(NotFoundError, match="no model tiny:3"):
        await models.alias("3")
    history = await models.ask(ReadAliasHistory(name="tiny", alias="live"), AliasMoves)
    assert [move.version for move in history.moves] == ["2"]


async def test_a_model_is_loaded_switched_to_and_unloaded(models: Models, tmp_path: Path) -> None:
    bus = models.world.bus
    first = (await models.register(make_bundle(tmp_path))).model
    second = (await models.register(make_bundle(tmp_path, version="2", space="tiny-2"))).model
    await models.register(make_bundle(tmp_path, version="3", space="tiny-2"))

    async def announce(embedder: str, *serving: ModelId, default: str = "tiny-1", **members: Any) -> None:
        spaces = {first.id: "tiny-1", second.id: "tiny-2"}
        announcement = EmbedderAnnouncement(
            embedder=embedder,
            address="127.0.0.1:1",
            default_space=default,
            serving={spaces[id_]: id_ for id_ in serving},
            announced_at=datetime.now(UTC),
            **members,
        )
        await announce_embedder(bus, announcement)

    async def loaded() -> dict[str, ServedModel]:
        served = await models.ask(ListServedModels(), ServedModels)
        return {str(one.model): one for one in served.models}

    async def switch(model: str | None) -> ServedModels:
        return await models.ask(SwitchModel(model=model), ServedModels)

    served = await models.ask(LoadModel(model="tiny:2", by="ann"), ServedModel)
    assert (served.state, served.is_loaded, served.requested_by) == (ServingState.LOADING, True, "ann")
    with pytest.raises(ConflictError, match="is that of tiny:2, which is loaded"):
        await models.ask(LoadModel(model="tiny:3"), ServedModel)
    with pytest.raises(NotFoundError, match="tiny:1 is not loaded"):
        await switch("tiny:1")
    with pytest.raises(UnavailableError, match="no embedder lives"):
        await switch("tiny:2")

    await announce("a", first.id, second.id)
    await announce("b", first.id, failed={"tiny-2": "no memory"})
    found = await loaded()
    assert {name: one.state for name, one in found.items()} == {
        "tiny:1": ServingState.SERVING,
        "tiny:2": ServingState.FAILED,
    }
    assert (found["tiny:1"].is_default, found["tiny:1"].is_loaded) == (True, False)
    with pytest.raises(ConflictError, match="b: no memory"):
        await switch("tiny:2")
    assert (await models.ask(ListServedModels(), ServedModels)).default_space is None

    await announce("b", first.id, second.id)
    assert (await switch("tiny:2")).default_space == "tiny-2"
    assert (await loaded())["tiny:2"].is_default
    with pytest.raises(ConflictError, match="is the default"):
        await models.ask(UnloadModel(model="tiny:2"), ServedModels)
    assert (await switch(None)).default_space is None

    spec = CollectionSpec.model_validate({"name": "photos"})
    record = CollectionRecord(spec=spec, uid="u", created_at=datetime.now(UTC), space="tiny-2")
    await CollectionRegistry(bus).create(record)
    with pytest.raises(ConflictError, match="queries and items of photos"):
        await models.ask(UnloadModel(model="tiny:2"), ServedModels)
    await CollectionRegistry(bus).delete("photos")
    await models.ask(UnloadModel(model="tiny:2"), ServedModels)
    with pytest.raises(NotFoundError, match="tiny:2 is not loaded"):
        await models.ask(UnloadModel(model="tiny:2"), ServedModels)
    await withdraw_embedder(bus, "a")
    await withdraw_embedder(bus, "b")
    assert await loaded() == {}
