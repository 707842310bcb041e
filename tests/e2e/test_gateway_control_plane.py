"""Pipelines, and texts compared with texts, with everything behind the gateway."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from sightwire_embedder.settings import default_bundle_folder

from sightwire.bundles import BUNDLE_FILE
from sightwire.client import ApiError, AsyncSightwire
from sightwire.contracts.model_control import ServingState
from tests.plugin.waiting import Eventually

pytestmark = pytest.mark.timeout(240)

_DESCRIPTIONS = ["a garden hose, twenty metres", "red running shoes", "a teapot of porcelain"]


async def test_texts_are_compared_by_the_real_model(async_client: AsyncSightwire) -> None:
    answer = await async_client.predict(["red running shoes", "a teapot"], _DESCRIPTIONS, top_k=2)
    shoes, teapot = answer.results
    assert shoes.matches[0].index == 1
    assert shoes.matches[0].score == pytest.approx(1.0, abs=1e-4)
    assert teapot.matches[0].index == 2
    assert len(teapot.matches) == 2


async def test_a_pipeline_runs(async_client: AsyncSightwire, unique_name: Callable[[str], str]) -> None:
    name = unique_name("checked")
    check = {"value": "{number}", "checks": [{"kind": "expression", "expression": "value < 10"}]}
    definition = {
        "name": name,
        "tasks": [{"name": "check", "type": "validation", "parameters": check}],
        "global_parameters": {"number": 1, "output_mapping": {"checked": "{check_output.value}"}},
    }
    await async_client.pipelines.submit(definition)
    begun = await async_client.pipelines.run(name, {"number": 7})
    assert (await async_client.runs.wait(begun.run, timeout=60)).results == {"checked": 7}


async def test_mistakes_in_a_definition_are_told_with_their_places(async_client: AsyncSightwire) -> None:
    with pytest.raises(ApiError, match="definition:2:8: tasks") as refused:
        await async_client.pipelines.submit("name: wrong\ntasks: none")
    assert (refused.value.http_status, refused.value.kind) == (422, "invalid-definition")


async def test_no_request_fails_while_another_model_is_switched_to(
    async_client: AsyncSightwire, eventually: Eventually, tmp_path: Path, unique_name: Callable[[str], str]
) -> None:
    name = unique_name("renamed")
    first = (await async_client.models.served()).models[0]
    await async_client.models.register({"kind": "folder", "path": str(renamed_bundle(tmp_path, name))})
    await async_client.models.load(name, "1")

    async def is_served() -> bool:
        served = await async_client.models.serving(name, "1")
        assert served.state is not ServingState.FAILED, served.embedders
        return served.state is ServingState.SERVING

    await eventually(is_served, 60)
    spaces: list[str] = []
    stop = asyncio.Event()

    async def compare_all_the_time() -> None:
        while not stop.is_set():
            answer = await async_client.predict(["red running shoes", f"call {len(spaces)}"], _DESCRIPTIONS)
            assert answer.results[0].matches[0].index == 1
            spaces.append(answer.space)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(compare_all_the_time())
        await eventually(lambda: first.space in spaces)
        await async_client.models.switch(name, "1")
        await eventually(lambda: name in spaces)
        await async_client.models.switch(first.model.name, first.model.version)
        await eventually(lambda: spaces[-1] == first.space)
        stop.set()
    changes = [space for space, last in zip(spaces, [None, *spaces], strict=False) if space != last]
    assert changes == [first.space, name, first.space]
    await async_client.models.unload(name, "1")


def renamed_bundle(parent: Path, name: str) -> Path:
    """The bundle that the platform was started with, under another name and with a space of its own."""
    folder = parent / name
    shutil.copytree(default_bundle_folder(), folder)
    description = yaml.safe_load((folder / BUNDLE_FILE).read_text())
    (folder / BUNDLE_FILE).write_text(yaml.safe_dump({**description, "name": name, "version": "1", "space": name}))
    return folder
