"""`sightwire cache` as people use it, beside an orchestrator on a real bus."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from services.orchestrator.tests.orchestrator_world import orchestrator_world
from services.orchestrator.tests.sightwire_command import Sightwire
from sightwire.platform.nats_server import NatsServer

pytestmark = pytest.mark.timeout(180)

_DEFINITION = """\
name: kept
tasks:
  - name: check
    type: validation
    parameters: {value: 1, checks: [{kind: expression, expression: "value < 10"}]}
    cache_enabled: true
    cache_tags: [numbers]
"""


@pytest_asyncio.fixture(loop_scope="session")
async def sightwire(fresh_nats_server: NatsServer, tmp_path: Path) -> AsyncIterator[Sightwire]:
    async with (
        orchestrator_world(fresh_nats_server, tmp_path) as world,
        world.service(orchestrator_worker_concurrency=2),
    ):
        yield Sightwire(world)


async def test_statistics_and_deletion(sightwire: Sightwire, tmp_path: Path) -> None:
    file = tmp_path / "kept.yaml"
    file.write_text(_DEFINITION)
    await sightwire("pipelines", "submit", str(file))
    for expected in (0, 1):
        run = await sightwire.json("pipelines", "run", "kept", "--wait")
        assert run["tasks"][0]["cached"] == expected
    stats = await sightwire.json("cache", "stats")
    assert (stats["hits"], stats["misses"], stats["sets"], stats["consistent"]) == (1, 1, 1, True)
    assert "50.0%" in await sightwire("cache", "stats")

    assert "deleted results tagged numbers, other" in await sightwire("cache", "clear", "-t", "numbers", "-t", "other")
    assert (await sightwire.json("cache", "stats"))["size"] == 0
    assert (await sightwire.json("cache", "clear", "--all"))["everything"] is True
    assert "--tag TAG" in await sightwire("cache", "clear", status=1)
    assert "--tag TAG" in await sightwire("cache", "clear", "--all", "--tag", "numbers", status=1)
