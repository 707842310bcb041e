"""The platform's own steps on a whole platform: ingest, embed, classify, build, validate, go back."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from sightwire_orchestrator.tasks.errors import OperationFailedError
from sightwire_orchestrator.tasks.registry import HandlerRegistry
from sightwire_orchestrator.tasks.resources import open_resources

from services.orchestrator.tests.task_world import TaskWorld, task_settings
from sightwire.client import ApiError, AsyncSightwire
from sightwire.platform.running_platform import RunningPlatform

PHOTOS = Path(__file__).parents[3] / "tests" / "fixtures" / "photos"


@pytest_asyncio.fixture(loop_scope="session")
async def world(platform: RunningPlatform) -> AsyncIterator[TaskWorld]:
    addresses = {process.name: process.address for process in platform.info().processes}
    settings = task_settings(platform_url=platform.gateway_url, embedder_address=addresses["embedder"])
    async with open_resources(settings) as resources:
        yield TaskWorld(resources, HandlerRegistry.with_builtin_types())


@pytest_asyncio.fixture(loop_scope="session")
async def collection(async_client: AsyncSightwire, unique_name: Callable[..., str]) -> AsyncIterator[str]:
    name = unique_name("tasks")
    await async_client.collections.create(name)
    yield name


def vectors_of(output: dict[str, Any]) -> np.ndarray:
    flat = np.frombuffer(base64.b64decode(output["vectors"]), dtype="<f4")
    return flat.reshape(output["rows"], output["dimension"])


async def test_items_are_searchable_when_the_task_is_done(
    world: TaskWorld, async_client: AsyncSightwire, collection: str
):
    items = [{"id": "boat", "text": "a red boat"}, {"text": "a green tree"}]
    output = await world.run("ingest", {"collection": collection, "items": items}, run="r1")
    again = await world.run("ingest", {"collection": collection, "items": items}, run="r1", attempt=2)
    assert output == again
    assert output["ids"][0] == "boat"
    assert output["failed"] == []
    found = await async_client.search(collection, text="boat", k=10)
    assert sorted(hit.id for hit in found.hits) == sorted(output["ids"])


async def test_items_that_fail_end_the_task_or_are_reported(world: TaskWorld, collection: str):
    items = [{"id": "good", "text": "a boat"}, {"id": "refused", "vectors": {"none": [1.0]}}]
    with pytest.raises(OperationFailedError, match="1 of 2 items were not ingested: refused: "):
        await world.run("ingest", {"collection": collection, "items": items})
    output = await world.run("ingest", {"collection": collection, "items": items, "on_failure": "report"})
    assert output["ids"] == ["good"]
    assert [failed["id"] for failed in output["failed"]] == ["refused"]


async def test_a_collection_that_is_not_there_is_the_platforms_error(world: TaskWorld):
    with pytest.raises(ApiError, match="no-such") as raised:
        await world.run("ingest", {"collection": "no-such", "items": [{"text": "a"}]})
    assert raised.value.kind == "unknown-collection"


async def test_texts_and_stored_pictures_are_embedded_into_one_space(
    world: TaskWorld, async_client: AsyncSightwire, collection: str
):
    photo = next(iter(sorted(PHOTOS.glob("*.jpg"))))
    await async_client.items.put(collection, id="photo", image=photo, wait=True, timeout=60)
    texts = await world.run("embed", {"texts": [f"number {number}" for number in range(70)]})
    picture = await world.run("embed", {"pictures": {"collection": collection, "items": ["photo"]}})
    assert texts["space"] == picture["space"]
    assert (texts["rows"], picture["rows"]) == (70, 1)
    np.testing.assert_allclose(np.linalg.norm(vectors_of(texts), axis=1), 1, atol=1e-3)
    one = await world.run("embed", {"text": "number 65"})
    np.testing.assert_allclose(vectors_of(one)[0], vectors_of(texts)[65], atol=1e-3)
    labelled = await world.run(
        "classification",
        {"pictures": {"collection": collection, "items": ["photo"]}, "labels": ["a photo of a cat", "a red rocket"]},
    )
    assert set(labelled["results"][0]["scores"]) == {"a photo of a cat", "a red rocket"}


async def test_texts_are_labelled_by_what_they_are_nearest_to(world: TaskWorld):
    labels = {"sea": ["a ship", "a boat on the water"], "sky": ["an airplane", "a rocket in the sky"]}
    output = await world.run("classification", {"text": "a sailing boat", "labels": labels})
    assert output["label"] == "sea"
    assert sum(output["probabilities"].values()) == pytest.approx(1)
    many = await world.run("classification", {"texts": ["a sailing boat", "a rocket"], "labels": labels})
    assert [result["label"] for result in many["results"]] == ["sea", "sky"]


async def test_an_index_is_built_validated_and_gone_back_from(
    world: TaskWorld, async_client: AsyncSightwire, collection: str
):
    items = [{"id": f"i{number}", "text": f"number {number}"} for number in range(30)]
    await world.run("ingest", {"collection": collection, "items": items})
    # A second attempt, whose first one's worker died, waits for what that has begun.
    parameters = {"collection": collection, "index": {"type": "flat"}}
    built, joined = await asyncio.gather(*(world.run("build_index", parameters, timeout=90) for _ in range(2)))
    assert built == joined
    assert (await async_client.index.generations(collection)).live == built["generation"]
    assert {"building", "validating"} & {told.stage for told in world.progress}

    validated = await world.run("validate", {"collection": collection}, timeout=60)
    assert validated["generation"] == built["generation"]
    assert all(gate["passed"] for gate in validated["gates"].values())
    strict = {"probes": [{"text": "number", "expect": ["never-ingested"]}]}
    with pytest.raises(OperationFailedError, match="functional"):
        await world.run("validate", {"collection": collection, "gates": strict}, timeout=60)

    back = {"collection": collection, "generation": built["left"]}
    assert (await world.run("rollback", back, timeout=60))["generation"] == built["left"]
    assert (await async_client.index.generations(collection)).live == built["left"]
    assert (await world.run("rollback", back))["operation"] is None
