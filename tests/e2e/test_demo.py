"""The demo collection, and what the commands that `sightwire up` and the README suggest find in it."""

import re
import shlex
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio

from sightwire.cli.up import commands_to_try
from sightwire.client import AsyncSightwire
from sightwire.platform.demo_collection import DEMO_COLLECTION, load_demo, read_demo_items
from sightwire.platform.running_platform import RunningPlatform
from tests.plugin.processes import output_of

README = Path(__file__).parents[2] / "README.md"
DEFAULT_URL = "http://127.0.0.1:8200"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def demo(platform: RunningPlatform) -> list[tuple[int, int]]:
    """The progress that was told while the demo was loaded."""
    progress: list[tuple[int, int]] = []
    problems = await load_demo(platform.gateway_url, lambda done, total: progress.append((done, total)))
    assert problems == []
    return progress


async def ids_found_by(command: str, platform: RunningPlatform) -> list[str]:
    """Ids in the answer of a curl command, best first."""
    answer: Any = orjson.loads(await output_of(*shlex.split(command.replace(DEFAULT_URL, platform.gateway_url))))
    if isinstance(answer, list):
        return [result["image_id"] for result in answer]
    return [hit["id"] for hit in answer["hits"]]


async def test_all_of_it_is_loaded_and_searchable(demo: list[tuple[int, int]], async_client: AsyncSightwire) -> None:
    count = len(read_demo_items())
    assert demo[0] == (0, count)
    assert demo[-1] == (count, count)
    assert (await async_client.collections.get(DEMO_COLLECTION)).items == count


@pytest.mark.usefixtures("demo")
async def test_suggested_commands_find_the_right_pictures(platform: RunningPlatform) -> None:
    by_text, by_item, by_picture_alone = commands_to_try(platform.gateway_url, with_demo=True)
    assert (await ids_found_by(by_text, platform))[0] == "two-sailboats-at-sunset"
    assert (await ids_found_by(by_item, platform))[0] == "tiger-walking"
    assert "light-bulb-switched-on" in await ids_found_by(by_picture_alone, platform)


@pytest.mark.usefixtures("demo")
async def test_commands_of_the_readme_find_something_that_fits(platform: RunningPlatform) -> None:
    text = README.read_text(encoding="utf-8").replace("\\\n", " ")
    commands = [line for line in text.splitlines() if line.startswith("curl ") and "demo" in line]
    assert commands
    captions = {item.id: item.text for item in read_demo_items()}
    for command in commands:
        query = re.search(r'[?&]q=([^&\']+)|"text": "([^"]+)"', command)
        assert query is not None, command
        words = (query[1] or query[2]).replace("+", " ").split()
        best = (await ids_found_by(command, platform))[0]
        # Stems, roughly: a sailing ship is found by "two sailboats".
        assert any(word[:4] in captions[best] for word in words), f"{command} finds {best}: {captions[best]}"
