"""An embedder serves what it is told to besides the bundle that it was started with, and fails no query meanwhile."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
import pytest_asyncio

from services.embedder.tests.models_world import DIMENSIONS, NEW, OLD, ModelsWorld, models_world
from sightwire.ending_tasks import end_tasks
from sightwire.v1 import embedder_pb2


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(module_nats_server, tmp_path_factory) -> AsyncIterator[ModelsWorld]:
    async with models_world(module_nats_server, tmp_path_factory.mktemp("models")) as entered:
        yield entered


@dataclass
class Queries:
    """What became of queries that went on all the while."""

    spaces: list[str] = field(default_factory=list)
    errors: list[grpc.aio.AioRpcError] = field(default_factory=list)


@contextlib.asynccontextmanager
async def queries_all_the_while(world: ModelsWorld, space: str = "") -> AsyncIterator[Queries]:
    seen = Queries()

    async def ask_for_ever() -> None:
        while True:
            try:
                answered, vector = await world.embed(space=space)
                assert len(vector) == DIMENSIONS[answered]
                seen.spaces.append(answered)
            except grpc.aio.AioRpcError as error:
                seen.errors.append(error)

    task = asyncio.create_task(ask_for_ever())
    try:
        yield seen
    finally:
        await end_tasks(task)


async def test_a_model_is_loaded_made_the_default_and_dropped_while_queries_are_answered(world, eventually):
    async with queries_all_the_while(world) as queries:
        await eventually(lambda: queries.spaces)
        await world.load_new()
        announced = await world.announced()
        assert (announced.embedder, announced.address) == ("e1", f"127.0.0.1:{world.embedder.port}")
        assert {space: str(model) for space, model in announced.serving.items()} == {OLD: "small:1", NEW: "small:2"}
        assert announced.default_space == OLD
        assert (await world.embed(space=NEW))[0] == NEW
        await world.make_default(NEW)
        await eventually(lambda: queries.spaces[-1] == NEW)
        assert world.directory.all()[0].default_space == NEW
        assert (await world.embed(space=OLD))[0] == OLD, "the one before is still asked by its name"
        await world.models.clear_default()
        await eventually(lambda: queries.spaces[-1] == OLD)
        await world.remove_new()
        after = len(queries.spaces)
        await eventually(lambda: len(queries.spaces) > after + 5)
    assert queries.errors == []
    assert set((await world.announced()).serving) == {OLD}


async def test_what_is_asked_of_a_model_while_it_is_dropped_is_answered_or_refused_for_its_absence(world, eventually):
    await world.load_new()
    async with queries_all_the_while(world, NEW) as queries:
        await eventually(lambda: len(queries.spaces) > 5)
        await world.remove_new()
        await eventually(lambda: queries.errors)
    assert {error.code() for error in queries.errors} == {grpc.StatusCode.UNAVAILABLE}


@pytest.mark.parametrize(
    ("method", "request_message"),
    [
        ("EmbedTexts", embedder_pb2.EmbedTextsRequest(texts=["a"], space="elsewhere-9")),
        ("EmbedImages", embedder_pb2.EmbedImagesRequest(images=[b"x"], space="elsewhere-9")),
        ("AnalyzeImage", embedder_pb2.AnalyzeImageRequest(image=b"x", space="elsewhere-9")),
        ("DescribeModel", embedder_pb2.DescribeModelRequest(space="elsewhere-9")),
    ],
)
async def test_a_space_that_is_not_served_is_refused_with_those_that_are(world, method: str, request_message: Any):
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await getattr(world.stub, method)(request_message)
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "no model of space 'elsewhere-9' is served; this embedder serves 'small-1'" in raised.value.details()


async def test_models_are_described_by_space(world):
    await world.load_new()
    described = [
        await world.stub.DescribeModel(embedder_pb2.DescribeModelRequest(space=space)) for space in ("", OLD, NEW)
    ]
    assert [(model.version, model.space, model.dimension) for model in described] == [
        ("1", OLD, 5),
        ("1", OLD, 5),
        ("2", NEW, 7),
    ]
    await world.remove_new()


async def test_a_damaged_file_is_told_of_and_the_model_comes_when_it_is_whole(world, eventually):
    # Else what was fetched before is taken, which is whole.
    shutil.rmtree(Path(world.embedder.environment["SIGHTWIRE_EMBEDDER_CACHE_DIR"]) / "bundles", ignore_errors=True)
    (image,) = [file.sha256 for file in world.new_model.files if file.path == "image.onnx"]
    key = f"models/files/{image[:2]}/{image}"
    whole = await world.blobs.get(key)
    await world.blobs.put(key, whole[:-1] + b"?")
    await world.models.put(world.new_model)
    (announced,) = await eventually(lambda: [each for each in world.directory.all() if NEW in each.failed], deadline=30)
    assert "file 'image.onnx' should have sha256" in announced.failed[NEW]
    with pytest.raises(grpc.aio.AioRpcError, match=r"cannot be served: model small:2: file 'image\.onnx'"):
        await world.embed(space=NEW)
    assert (await world.embed())[0] == OLD
    await world.blobs.put(key, whole)
    await eventually(lambda: world.directory.served_everywhere(NEW), deadline=30)
    assert NEW not in (await world.announced()).failed
    await world.remove_new()


async def test_another_bundle_of_the_space_that_it_was_started_with_is_refused(world, eventually):
    await world.models.put(world.new_model.model_copy(update={"space": OLD}))
    await eventually(lambda: "was started with another bundle" in world.directory.failures(OLD).get("e1", ""))
    assert (await world.embed())[0] == OLD
    await world.models.remove(OLD)
    await eventually(lambda: not world.directory.failures(OLD))


async def test_after_a_restart_it_serves_all_of_them_before_it_takes_items(fresh_nats_server, tmp_path, eventually):
    async with models_world(fresh_nats_server, tmp_path) as world:
        await world.load_new()
        await world.make_default(NEW)
        broken = world.new_model.model_copy(update={"space": "small-3"})
        await world.models.put(broken)
        await eventually(lambda: world.directory.failures("small-3"), deadline=30)
        assert await world.embedder.stop() == 0
        await eventually(lambda: not world.directory.all())
        collection = await world.collection("photos", NEW)
        await collection.publish({"id": "a", "text": "a red apple"})
        await world.embedder.start()
        await eventually(world.embedder.is_ready, deadline=60)
        await eventually(lambda: collection.items)
        info = await world.bus.jetstream.consumer_info("INGEST", "embedder")
        assert not info.num_redelivered, "it was not tried before the model was there"
        assert (await world.embed())[0] == NEW
        assert "its bundle is of space 'small-2'" in world.directory.failures("small-3")["e1"]
