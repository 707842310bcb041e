"""Operations on an index over the whole platform: rebuild, go back, validate, repeat, back up, restore, diagnose."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from sightwire.client import ApiError, AsyncSightwire, OperationRecord, OperationState
from sightwire.contracts.schedules import Outcome
from tests.plugin.command_line import CommandLine
from tests.plugin.waiting import Eventually

ITEMS = 400
DIMENSION = 16
VECTORS = np.random.default_rng(7).standard_normal((ITEMS, DIMENSION)).astype(np.float32)
DEADLINE = 90.0


@pytest_asyncio.fixture(loop_scope="session")
async def collection(async_client: AsyncSightwire, unique_name: Callable[..., str]) -> AsyncIterator[str]:
    """A collection of `VECTORS`, searchable."""
    name = unique_name("index")
    await async_client.collections.create(
        name, fields={"own": {"dimension": DIMENSION}}, metadata={"shelf": {"type": "integer"}}
    )
    items = [
        {"id": f"n{row}", "vectors": {"own": vector}, "text": f"number {row}", "metadata": {"shelf": row % 7}}
        for row, vector in enumerate(VECTORS)
    ]
    put = await async_client.items.put_many(name, items)
    assert len(put.accepted) == ITEMS, put.failed[:1]
    for row in (0, ITEMS - 1):
        assert (await async_client.items.wait(name, f"n{row}", timeout=60)).state == "searchable"
    yield name


async def succeed(client: AsyncSightwire, begun: OperationRecord) -> OperationRecord:
    ended = await client.operations.wait(begun.collection, begun.id, timeout=DEADLINE)
    assert ended.state is OperationState.SUCCEEDED, ended.error
    return ended


async def nearest(client: AsyncSightwire, collection: str, row: int) -> str:
    found = await client.search(collection, vector=("own", VECTORS[row]), k=3)
    return found.hits[0].id


async def test_rebuilt_index_becomes_live_and_the_old_one_can_be_gone_back_to(
    async_client: AsyncSightwire, collection: str
) -> None:
    before = (await async_client.collections.get(collection)).generation
    begun = await async_client.index.rebuild(collection, index={"type": "hnsw_sq", "m": 8})
    seen = [record async for record in async_client.operations.watch(collection, begun.id)]
    assert seen[-1].state is OperationState.SUCCEEDED, seen[-1].error
    rebuilt = seen[-1].result["generation"]
    assert rebuilt != before

    kept = await async_client.index.generations(collection)
    assert kept.live == rebuilt
    by_name = {generation.name: generation for generation in kept.generations}
    assert (by_name[rebuilt].index.type, by_name[rebuilt].items) == ("hnsw_sq", ITEMS)
    assert by_name[rebuilt].validated
    assert (await async_client.collections.get(collection)).generation == rebuilt
    statistics = await async_client.index.stats(collection)
    assert (statistics.generation, statistics.items) == (rebuilt, ITEMS)
    assert [(field.field, field.vectors) for field in statistics.fields] == [("own", ITEMS)]
    report = await async_client.index.report(collection, rebuilt)
    assert report.passed
    assert await nearest(async_client, collection, 5) == "n5"

    await async_client.items.put(collection, id="late", vectors={"own": 10 * VECTORS[5]}, wait=True)
    rolled_back = await succeed(async_client, await async_client.index.rollback(collection))
    assert rolled_back.result["generation"] == before
    assert (await async_client.collections.get(collection)).generation == before
    # What was put into the other generation came along.
    assert (await async_client.items.get(collection, "late"))["id"] == "late"

    listed = await async_client.operations.list(collection)
    assert [record.command.kind for record in listed] == ["rollback", "rebuild"]
    switched = await succeed(async_client, await async_client.index.switch(collection, rebuilt))
    assert switched.result["generation"] == rebuilt


async def test_gate_that_fails_leaves_live_alone_and_says_which_query_failed(
    async_client: AsyncSightwire, sightwire: CommandLine, collection: str, tmp_path: Path
) -> None:
    gates = tmp_path / "gates.yaml"
    gates.write_text(json.dumps({"probes": [{"text": "number", "expect": ["nobody-has-this-id"]}]}))
    before = (await async_client.collections.get(collection)).generation
    printed = await sightwire("index", "rebuild", collection, "--type", "flat", "--gates", gates, fails=True)
    for part in ("FAILED", "functional", "nobody-has-this-id"):
        assert part in printed
    assert (await async_client.collections.get(collection)).generation == before
    (failed, *_) = [
        generation
        for generation in (await async_client.index.generations(collection)).generations
        if generation.state == "failed"
    ]
    assert failed.validated is False
    assert "FAILED" in await sightwire("index", "report", collection, failed.name, fails=True)
    await sightwire("index", "forget", collection, failed.name)
    assert failed.name not in await sightwire("index", "generations", collection)


async def test_index_commands(sightwire: CommandLine, collection: str) -> None:
    validated = await sightwire.json("index", "validate", collection)
    assert validated["state"] == "succeeded"
    assert all(gate["passed"] for gate in validated["report"]["gates"])
    stats = await sightwire("index", "stats", collection, "--segments")
    for part in ("a vector", "ratio", "64 B", "flat"):
        assert part in stats
    scanned = await sightwire.json("index", "scan", collection)
    assert scanned["result"]["damaged"] == []
    operations = await sightwire.json("index", "operations", collection)
    assert [record["command"]["kind"] for record in operations] == ["scan", "validate"]
    assert "no operation" in await sightwire("index", "cancel", collection, fails=True)
    assert "error:" in await sightwire("index", "switch", collection, "g99", fails=True)


async def test_one_operation_at_a_time_and_it_can_be_ended(async_client: AsyncSightwire, collection: str) -> None:
    before = (await async_client.collections.get(collection)).generation
    begun = await async_client.index.rebuild(collection, activate=False)
    with pytest.raises(ApiError, match=begun.id) as refused:
        await async_client.index.scan(collection)
    assert refused.value.http_status == 409
    ended = await async_client.operations.cancel(collection, begun.id)
    assert ended.state is OperationState.CANCELLED
    assert await async_client.operations.get(collection, begun.id) == ended
    assert (await async_client.collections.get(collection)).generation == before


async def test_schedule_runs_and_has_a_calendar(
    async_client: AsyncSightwire, sightwire: CommandLine, collection: str, eventually: Eventually
) -> None:
    put = ("index", "schedule", "put", collection, "yearly", "--cron", "30 3 1 1 *", "--time-zone", "Europe/Berlin")
    assert "30 3 1 1 *" in await sightwire(*put, "--do", "validate")
    await sightwire("index", "schedule", "run", collection, "yearly")

    async def has_run() -> bool:
        schedule = await async_client.schedules.get(collection, "yearly")
        return bool(schedule.runs) and schedule.runs[-1].outcome is not Outcome.RUNNING

    await eventually(has_run, deadline=DEADLINE)
    calendar = await sightwire.json("index", "schedule", "show", collection, "yearly", "--upcoming", 3)
    (run,) = calendar["schedule"]["runs"]
    assert (run["outcome"], run["trigger"]) == ("succeeded", "cli"), run
    assert [moment[4:19] for moment in calendar["upcoming"]] == ["-01-01T03:30:00"] * 3
    assert "succeeded" in await sightwire("index", "schedule", "list", collection)

    await sightwire("index", "schedule", "pause", collection, "yearly")
    assert (await async_client.schedules.get(collection, "yearly")).paused
    await sightwire("index", "schedule", "resume", collection, "yearly")
    assert (await async_client.schedules.get(collection, "yearly")).paused is None
    await sightwire("index", "schedule", "delete", collection, "yearly")
    assert await async_client.schedules.list(collection) == []
    with pytest.raises(ApiError, match="cron"):
        await async_client.schedules.put(collection, "never", {"cron": "61 * * * *", "command": {"kind": "scan"}})


async def test_backup_brings_a_deleted_collection_back(
    async_client: AsyncSightwire, sightwire: CommandLine, collection: str, unique_name: Callable[..., str]
) -> None:
    created = await sightwire.json("backup", "create", collection)
    backup = created["result"]["backup"]
    again = await succeed(async_client, await async_client.backups.create(collection))
    assert again.result["added_bytes"] < created["result"]["added_bytes"]
    verified = await sightwire.json("backup", "verify", backup)
    assert (verified["problems"], verified["files"] > 0) == ([], True)

    await async_client.collections.delete(collection)
    listed = await sightwire.json("backup", "list", "--collection", collection)
    assert backup in {entry["id"] for entry in listed}
    restored = await sightwire.json("backup", "restore", backup)
    assert restored["state"] == "succeeded"
    assert (await async_client.collections.get(collection)).items == ITEMS
    assert await nearest(async_client, collection, 11) == "n11"
    await async_client.items.put(collection, id="after", vectors={"own": -VECTORS[3]}, wait=True)

    copy = unique_name("copy")
    await sightwire("backup", "restore", backup, "--into", copy)
    assert (await async_client.items.get(copy, "n12"))["metadata"] == {"shelf": 5}

    gone = await sightwire.json("backup", "prune", "-c", collection, "--keep", 1)
    assert [entry["id"] for entry in gone] == [backup]
    assert "error:" in await sightwire("backup", "verify", backup, fails=True)


async def test_doctor_looks_at_everything(
    sightwire: CommandLine, async_client: AsyncSightwire, collection: str
) -> None:
    def checks(findings: list[dict[str, Any]], subject: str) -> dict[str, str]:
        return {finding["check"]: finding["status"] for finding in findings if finding["subject"] == subject}

    # Other tests may have left something to complain about.
    findings = await sightwire.json("doctor", fails=None)
    assert {"process searcher", "disk", "clock"} <= set(checks(findings, "machine"))
    assert {"dead letters", "embedder", "stream INGEST"} <= set(checks(findings, "platform"))
    own = checks(findings, collection)
    assert own["searchers"] == "ok"
    assert "indexer" not in own, "its owner answers"
    assert own["checksums"] == "ok"
    diagnosis = await async_client.diagnose()
    assert collection in {subject for subject, _ in diagnosis.by_subject()}
