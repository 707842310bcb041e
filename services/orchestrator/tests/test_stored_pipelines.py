"""Definitions and idempotent results in the database: the first one stays."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sightwire_orchestrator.storage.database import Database
from sightwire_orchestrator.storage.pipeline_store import PipelineStore
from sightwire_orchestrator.storage.result_store import IdempotentResults

from sightwire.contracts.pipelines import PipelineDefinition, TaskDefinition, TaskResult
from sightwire.errors import ConflictError, NotFoundError

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
LONG_KEY = "key of a long input " * 1000


def definition(name: str = "nightly", version: str = "1", description: str = "") -> PipelineDefinition:
    return PipelineDefinition(
        name=name, version=version, description=description, tasks=(TaskDefinition(name="only", type="custom"),)
    )


def result(worker: str) -> TaskResult:
    return TaskResult(
        run="a", task="only", attempt=1, worker=worker, output={"n": [1, 2.5, None]}, started_at=NOON, ended_at=NOON
    )


async def test_a_version_never_changes(database: Database):
    store = PipelineStore(database)
    first = await store.put(definition())
    assert await store.put(definition()) == first
    assert await store.get("nightly") == await store.get("nightly", "1") == first
    with pytest.raises(ConflictError, match="version '1' of pipeline 'nightly' exists already with another content"):
        await store.put(definition(description="other"))
    assert [stored.definition for stored in await store.versions("nightly")] == [definition()]


async def test_the_newest_version_is_the_one_that_came_last(database: Database):
    store = PipelineStore(database)
    for name, version in (("nightly", "2"), ("nightly", "10"), ("nightly", "1-fixed"), ("hourly", "1")):
        await store.put(definition(name, version))
    assert (await store.get("nightly")).definition.version == "1-fixed"
    assert [stored.definition.version for stored in await store.versions("nightly")] == ["1-fixed", "10", "2"]
    newest = [(stored.definition.name, stored.definition.version) for stored in await store.newest()]
    assert newest == [("hourly", "1"), ("nightly", "1-fixed")]


async def test_versions_that_come_at_once(database: Database):
    store = PipelineStore(database)
    outcomes = await asyncio.gather(
        *(store.put(definition(version=str(number))) for number in range(5)), return_exceptions=True
    )
    stored = [outcome for outcome in outcomes if not isinstance(outcome, ConflictError)]
    assert len(await store.versions("nightly")) == len(stored) >= 1


async def test_unknown_pipelines(database: Database):
    store = PipelineStore(database)
    await store.put(definition())
    with pytest.raises(NotFoundError, match="there is no pipeline 'nightly' of version '2'"):
        await store.get("nightly", "2")
    with pytest.raises(NotFoundError, match="there is no pipeline 'weekly'"):
        await store.get("weekly")
    assert await store.versions("weekly") == []


async def test_the_first_result_of_a_key_stays(database: Database):
    results = IdempotentResults(database)
    assert await results.get("nightly.only", LONG_KEY) is None
    stored = await asyncio.gather(*(results.put("nightly.only", LONG_KEY, result(f"w{n}")) for n in range(5)))
    assert len({answer.worker for answer in stored}) == 1
    assert await results.get("nightly.only", LONG_KEY) == stored[0]
    assert await results.get("weekly.only", LONG_KEY) is None


async def test_old_results_are_forgotten(database: Database):
    results = IdempotentResults(database)
    await results.put("nightly.only", "a", result("w"))
    assert await results.delete_before(datetime.now(UTC) - timedelta(hours=1)) == 0
    assert await results.delete_before(datetime.now(UTC) + timedelta(hours=1)) == 1
    assert await results.get("nightly.only", "a") is None
