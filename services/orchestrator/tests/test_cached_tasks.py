"""Results of tasks that are kept: told as such, deleted by tags, and the same as those that are computed."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sightwire_orchestrator.storage.database import Database
from sightwire_orchestrator.storage.run_store import RunStore

from services.orchestrator.tests.orchestrator_world import OrchestratorWorld, orchestrator_world
from services.orchestrator.tests.watched_handlers import told
from sightwire.bus.orchestrator import OrchestratorClient
from sightwire.cache.accounting import CacheAccounting
from sightwire.contracts.cache_control import CacheCleared, ClearCache, ReadCache
from sightwire.contracts.pipeline_control import RunReport
from sightwire.contracts.pipelines import PipelineRunState
from sightwire.errors import InvalidInputError
from sightwire.platform.nats_server import NatsServer
from tests.plugin.cache_server import CacheServer
from tests.plugin.waiting import Eventually

pytestmark = pytest.mark.timeout(180)

NewName = Callable[..., str]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(
    module_nats_server: NatsServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[OrchestratorWorld]:
    folder = tmp_path_factory.mktemp("world")
    async with orchestrator_world(module_nats_server, folder) as world, world.service(), world.worker():
        yield world


def counting(name: str, folder: Path, **task: Any) -> dict[str, Any]:
    """A pipeline of one cached task, which tells each time that it is carried out."""
    own = {"name": "one", "type": "counted", "parameters": {"folder": str(folder)}, "cache_enabled": True, **task}
    return {"name": name, "tasks": [own]}


async def run_of(world: OrchestratorWorld, definition: dict[str, Any], **parameters: Any) -> RunReport:
    report = await world.end_of(await world.begin(definition, **parameters))
    assert report.state is PipelineRunState.SUCCEEDED, report.error
    return report


def cached(report: RunReport) -> list[int]:
    return [task.cached for task in report.tasks]


async def clear(world: OrchestratorWorld, *tags: str, everything: bool = False) -> CacheCleared:
    return await OrchestratorClient(world.bus).ask_cache(ClearCache(tags=tags, everything=everything), CacheCleared)


async def stats(world: OrchestratorWorld) -> CacheAccounting:
    return await OrchestratorClient(world.bus).ask_cache(ReadCache(), CacheAccounting)


async def test_a_second_run_is_answered_by_the_cache_and_says_so(
    world: OrchestratorWorld, unique_name: NewName, tmp_path: Path
) -> None:
    definition = counting(unique_name("twice"), tmp_path)
    before = await stats(world)
    first, second = await run_of(world, definition), await run_of(world, definition)
    assert (cached(first), cached(second)) == ([0], [1])
    assert second.tasks[0].output == first.tasks[0].output == 1
    assert len(told(tmp_path)) == 1
    after = await stats(world)
    assert (after.hits - before.hits, after.misses - before.misses, after.sets - before.sets) == (1, 1, 1)
    assert after.consistent

    database = Database(world.settings().orchestrator_database_url.get_secret_value())
    await database.open()
    events = await RunStore(database).events(second.run)
    await database.close()
    [arrived] = [happening.event for happening in events if happening.event.kind == "result_arrived"]
    assert (arrived.result.cached, arrived.result.worker) == (True, "cache")


async def test_each_element_of_a_mapped_task_counts(
    world: OrchestratorWorld, unique_name: NewName, tmp_path: Path
) -> None:
    definition = counting(unique_name("map"), tmp_path, map="{xs}", idempotency_key=None)
    definition["tasks"][0]["parameters"]["x"] = "{item}"
    definition["global_parameters"] = {"xs": []}
    assert cached(await run_of(world, definition, xs=[1, 2])) == [0]
    assert cached(await run_of(world, definition, xs=[2, 3, 1])) == [2]
    assert len(told(tmp_path)) == 3


@pytest.mark.parametrize(
    "change",
    [{"model": "m"}, {"parameters": {"folder": "{folder}", "more": 1}}, {"cache_tags": ["t"]}, {"name": "other"}],
    ids=["model", "parameters", "tags", "task"],
)
async def test_what_it_depends_on_makes_another_result(
    world: OrchestratorWorld, unique_name: NewName, tmp_path: Path, change: dict[str, Any]
) -> None:
    name = unique_name("other")
    definition = counting(name, tmp_path)
    definition["global_parameters"] = {"folder": str(tmp_path)}
    await run_of(world, definition)
    definition["version"] = "2"
    await run_of(world, definition)
    assert len(told(tmp_path)) == 1, "another version of the pipeline has the same task"
    await run_of(world, {**definition, "version": "3", "tasks": [{**definition["tasks"][0], **change}]})
    assert len(told(tmp_path)) == 2


async def test_errors_are_never_kept(world: OrchestratorWorld, unique_name: NewName, tmp_path: Path) -> None:
    task = {"name": "one", "type": "broken", "cache_enabled": True, "optional": True}
    definition = {"name": unique_name("broken"), "tasks": [task]}
    sets = (await stats(world)).sets
    for _ in range(2):
        report = await run_of(world, definition)
        assert report.tasks[0].error is not None
        assert cached(report) == [0]
    assert (await stats(world)).sets == sets


@pytest.mark.parametrize("tag", ["pipeline:{}", "task:{}.one", "type:counted", "model:m", "mine", "*"])
async def test_results_are_deleted_by_each_of_their_tags(
    world: OrchestratorWorld, unique_name: NewName, tmp_path: Path, tag: str
) -> None:
    name = unique_name("tags")
    definition = counting(name, tmp_path, cache_tags=["mine"], model="m")
    await run_of(world, definition)
    await clear(world, "another")
    assert cached(await run_of(world, definition)) == [1]
    cleared = await (clear(world, everything=True) if tag == "*" else clear(world, tag.format(name)))
    assert cleared.health == "disabled"
    assert cached(await run_of(world, definition)) == [0]
    assert len(told(tmp_path)) == 2


async def test_what_was_begun_before_a_deletion_is_not_kept(
    world: OrchestratorWorld, unique_name: NewName, tmp_path: Path, eventually: Eventually
) -> None:
    definition = counting(unique_name("slow"), tmp_path, type="gated", cache_tags=["slow"])
    run = await world.begin(definition)
    await eventually(lambda: told(tmp_path))
    await clear(world, "slow")
    (tmp_path / "open").touch()
    await world.end_of(run)
    assert cached(await run_of(world, definition)) == [0]
    assert cached(await run_of(world, definition)) == [1]


async def test_results_expire(
    world: OrchestratorWorld, unique_name: NewName, tmp_path: Path, eventually: Eventually
) -> None:
    definition = {**counting(unique_name("ttl"), tmp_path), "cache_ttl": 0.2}
    await run_of(world, definition)

    async def is_carried_out_again() -> bool:
        await run_of(world, definition)
        return len(told(tmp_path)) > 1

    await eventually(is_carried_out_again)


async def test_without_cache_enabled_every_task_is_carried_out(
    world: OrchestratorWorld, unique_name: NewName, tmp_path: Path
) -> None:
    definition = counting(unique_name("off"), tmp_path, cache_enabled=False)
    for _ in range(2):
        assert cached(await run_of(world, definition)) == [0]
    assert len(told(tmp_path)) == 2


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=JSON, elements=st.lists(JSON, max_size=4))
async def test_a_cached_run_gives_the_same_as_one_without_a_cache(
    world: OrchestratorWorld, unique_name: NewName, value: Any, elements: list[Any]
) -> None:
    def drawn(cache_enabled: bool) -> dict[str, Any]:
        parameters: list[dict[str, Any]] = [{"value": "{value}"}, {"element": "{item}", "of": "{a_output}"}]
        tasks = [{"name": "a", "type": "echo", "parameters": parameters[0]}]
        tasks.append({"name": "b", "type": "echo", "parameters": parameters[1], "map": "{elements}"})
        tasks.append({"name": "c", "type": "echo", "parameters": {"all": "{b_output}"}})
        return {
            "name": unique_name("same"),
            "tasks": [{**task, "cache_enabled": cache_enabled} for task in tasks],
            "global_parameters": {"value": None, "elements": [], "output_mapping": {"c": "{c_output}"}},
        }

    with_cache = drawn(True)
    plain = await run_of(world, drawn(False), value=value, elements=elements)
    first = await run_of(world, with_cache, value=value, elements=elements)
    second = await run_of(world, with_cache, value=value, elements=elements)
    # As JSON: 1, 1.0 and true are equal in Python.
    said = [[task.model_dump_json(include={"output"}) for task in run.tasks] for run in (plain, first, second)]
    assert said[0] == said[1] == said[2]
    assert plain.results == second.results
    assert cached(second) == [1, len(elements), 1]


async def test_a_request_says_what_to_delete(world: OrchestratorWorld) -> None:
    with pytest.raises(ValueError, match="name tags"):
        ClearCache()
    with pytest.raises(InvalidInputError, match="tags"):
        await OrchestratorClient(world.bus).ask_cache(
            ClearCache.model_construct(ask="clear", tags=("",), everything=False), CacheCleared
        )


async def test_results_outlive_the_orchestrator_in_a_server_and_its_death_is_no_failure(
    fresh_nats_server: NatsServer,
    fresh_cache_server: CacheServer,
    unique_name: NewName,
    tmp_path: Path,
    eventually: Eventually,
) -> None:
    definition = counting(unique_name("shared"), tmp_path)
    shared = {"cache_url": fresh_cache_server.url}
    async with orchestrator_world(fresh_nats_server, tmp_path) as world, world.worker():
        async with world.service(**shared):
            assert cached(await run_of(world, definition)) == [0]
        async with world.service(**shared):
            assert cached(await run_of(world, definition)) == [1]
            counts = await stats(world)
            assert (counts.counted, counts.hits, counts.misses, counts.health) == ("server", 1, 1, "healthy")

            await fresh_cache_server.kill()
            assert cached(await run_of(world, definition)) == [1], "memory still has it"
            assert cached(await run_of(world, counting(unique_name("alone"), tmp_path))) == [0]
            assert (await stats(world)).health.startswith("unhealthy")
            await fresh_cache_server.start()

            async def is_healthy() -> bool:
                return (await stats(world)).health == "healthy"

            await eventually(is_healthy)
            assert cached(await run_of(world, definition)) == [0], "what the server lost is computed again"
            assert cached(await run_of(world, definition)) == [1]
