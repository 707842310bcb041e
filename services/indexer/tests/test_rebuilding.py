"""Rebuilds by a whole indexer on a real bus: beside ingest, over crashes, within limits, and past gates or not."""

import asyncio
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from obstore.store import MemoryStore

from services.indexer.tests.indexer_world import IndexerWorld, embedded_item
from services.indexer.tests.operating import (
    ask,
    building_processes,
    ended,
    publish_items,
    reached,
    start,
    succeeded,
)
from services.indexer.tests.test_switching_generations import open_indexer
from sightwire.blobs import BlobStore
from sightwire.bus.searchers import withdraw_searcher
from sightwire.contracts import subjects
from sightwire.contracts.collections import CollectionRecord, IndexParameters, IndexType
from sightwire.contracts.control import CancelOperation, GenerationList, ListGenerations, ReadReport
from sightwire.contracts.operations import OperationRecord, OperationState, Rebuild, Rollback, Validate
from sightwire.contracts.validation import GateThresholds, ProbeQuery, ValidationReport
from sightwire.errors import ConflictError
from sightwire.segments.depot import SegmentDepot
from sightwire.segments.generation_store import GenerationStore
from sightwire.segments.generations import GenerationState
from sightwire.segments.layout import IndexLayout
from sightwire.segments.manifest import Manifest
from sightwire.segments.vector_indexes.kinds import IndexKind
from tests.plugin.waiting import wait_until

MakeRecord = Callable[..., CollectionRecord]

GRAPH = IndexParameters(type=IndexType.HNSW, m=8, ef_construction=40)
#: Segments stay as they are committed, and each becomes a part of its own.
MANY_PARTS = {"indexer_segments_per_tier": 100, "indexer_max_segment_rows": 500, "indexer_graph_min_rows": 100}
PARTS = 3


async def publish_parts(world: IndexerWorld, record: CollectionRecord) -> dict[str, int]:
    """As many segments of 500 items as there are to be parts; returns versions by id."""
    for part in range(PARTS):
        numbers = range(500 * part, 500 * (part + 1))
        sequence = await publish_items(world, record, numbers, first_version=500 * part + 1)
        await world.indexed_up_to(record, sequence)
    return {f"item-{number}": number + 1 for number in range(500 * PARTS)}


async def kinds_of_indexes(world: IndexerWorld, record: CollectionRecord, manifest: Manifest) -> set[str]:
    depot = SegmentDepot(world.blobs, IndexLayout.of(record), world.folder / "reader")
    readers = [await depot.open(entry) for entry in manifest.segments]
    fields = [field for reader in readers for field in reader.description.fields]
    return {field.index.kind.value if field.index is not None else "flat" for field in fields}


async def states_of_generations(world: IndexerWorld, record: CollectionRecord) -> dict[str, str]:
    listed = GenerationList.model_validate(await ask(world, record, ListGenerations()))
    return {generation.name: generation.state for generation in listed.generations}


async def test_a_rebuild_beside_ingest_answers_for_the_same_items_with_another_index(
    world: IndexerWorld, make_record: MakeRecord
):
    record = await world.create(make_record())
    told: list[OperationRecord] = []

    async def hear(message: Any) -> None:
        told.append(OperationRecord.model_validate_json(message.data))

    await world.bus.client.subscribe(subjects.index_build(record.name), cb=hear)
    async with world.indexer(indexer_graph_min_rows=100, indexer_housekeeping_seconds=0.2):
        await world.indexed_up_to(record, await publish_items(world, record, range(1000)))
        operation = await start(world, record, Rebuild(index=GRAPH))
        version = 1000
        finished = asyncio.create_task(succeeded(world, operation))
        # Updates, deletions and new items come for as long as it builds, validates and switches.
        while not finished.done():
            version += 3
            sequence = await world.publish(
                record,
                embedded_item(f"item-{version % 1000}", version),
                embedded_item(f"item-{(version + 500) % 1000}", version + 1, deleted=True),
                embedded_item(f"new-{version}", version + 2),
            )
            await world.indexed_up_to(record, sequence)
        result = (await finished).result
        content = await world.indexed_up_to(record, sequence)
        expected = {f"item-{number}": number + 1 for number in range(1000)}
        for known in range(1003, version + 1, 3):
            expected[f"item-{known % 1000}"] = known
            expected.pop(f"item-{(known + 500) % 1000}", None)
            expected[f"new-{known}"] = known + 2
        assert content.versions == expected
        assert content.manifest.generation == result["generation"] == "g2"
        assert content.manifest.index == GRAPH
        assert IndexKind.HNSW.value in await kinds_of_indexes(world, record, content.manifest)
        assert (await states_of_generations(world, record)) == {"g1": "kept", "g2": "live"}
        report = ValidationReport.model_validate(await ask(world, record, ReadReport(generation="g2")))
        assert report.passed
    stages = list(dict.fromkeys(record.progress.stage for record in told))
    assert stages[0] == "starting"
    assert {"building", "switching"} <= set(stages)
    assert told[-1].state is OperationState.SUCCEEDED
    building = [record.progress for record in told if record.progress.stage == "building"]
    assert (building[0].total, building[0].unit) == (1000, "vectors")


@pytest.mark.parametrize("how", ["killed", "stopped"])
async def test_a_rebuild_goes_on_with_what_was_finished(world: IndexerWorld, make_record: MakeRecord, how: str):
    record = await world.create(make_record())
    environment = {f"SIGHTWIRE_{name.upper()}": str(value) for name, value in MANY_PARTS.items()}
    async with world.indexer_process(**environment) as indexer:
        await indexer.start()
        versions = await publish_parts(world, record)
        operation = await start(world, record, Rebuild(index=GRAPH))
        halfway = await reached(world, operation, done=500)
        await (indexer.kill() if how == "killed" else indexer.stop())
        unfinished = await GenerationStore(world.blobs, IndexLayout.of(record)).find("g2")
        assert unfinished is not None
        assert unfinished.state is GenerationState.BUILDING
        planned = {part["segment"] for part in halfway.memory["parts"]}
        built = {entry.id for entry in unfinished.segments} & planned
        assert 0 < len(built) < PARTS
        await indexer.start()
        finished = await succeeded(world, operation)
        assert finished.attempts == 2
        content = await world.content(record)
        assert content is not None
        assert content.manifest.generation == "g2"
        assert built < {entry.id for entry in content.manifest.segments} == planned
        assert content.versions == versions
        assert await indexer.stop() == 0


async def test_a_killed_building_process_is_started_again(world: IndexerWorld, make_record: MakeRecord):
    record = await world.create(make_record())
    async with world.indexer(**MANY_PARTS):
        versions = await publish_parts(world, record)
        operation = await start(world, record, Rebuild(index=GRAPH))
        (process, *_) = await wait_until(building_processes)
        os.kill(process, signal.SIGKILL)
        assert (await succeeded(world, operation)).attempts == 2
        content = await world.content(record)
        assert content is not None
        assert (content.manifest.generation, content.versions) == ("g2", versions)


async def test_a_rebuild_is_stored_in_a_remote_store(world: IndexerWorld, make_record: MakeRecord):
    settings = world.settings.model_copy(update={"indexer_housekeeping_seconds": 0.1, "indexer_graph_min_rows": 100})
    remote = replace(world, blobs=BlobStore(MemoryStore(), root=None), settings=settings)
    # The only searcher reads the other store.
    world.searcher.loading = False
    await withdraw_searcher(world.bus, world.searcher.name)
    record = await remote.create(make_record())
    async with open_indexer(remote, record):
        await remote.indexed_up_to(record, await publish_items(remote, record, range(500)))
        await succeeded(remote, await start(remote, record, Rebuild(index=GRAPH)))
        content = await remote.content(record)
        assert content is not None
        assert (content.manifest.generation, len(content.versions)) == ("g2", 500)
        assert await kinds_of_indexes(remote, record, content.manifest) == {IndexKind.HNSW.value}


async def test_a_rebuild_waits_for_a_bus_that_is_away(world: IndexerWorld, make_record: MakeRecord):
    record = await world.create(make_record())
    async with world.indexer(**MANY_PARTS):
        versions = await publish_parts(world, record)
        operation = await start(world, record, Rebuild(index=GRAPH))
        await reached(world, operation, done=500)
        await world.server.stop()
        await world.server.start()
        await wait_until(lambda: world.bus.is_connected)
        await succeeded(world, operation)
        content = await world.content(record)
        assert content is not None
        assert (content.manifest.generation, content.versions) == ("g2", versions)


async def test_a_failed_gate_leaves_the_live_generation_as_it_is(world: IndexerWorld, make_record: MakeRecord):
    record = await world.create(make_record())
    probe = ProbeQuery(item="item-7", expect=("item-7", "nobody"))
    async with world.indexer():
        before = await world.indexed_up_to(record, await publish_items(world, record, range(50)))
        failed = await ended(world, await start(world, record, Rebuild(gates=GateThresholds(probes=(probe,)))))
        assert failed.state is OperationState.FAILED
        for words in ("'g2' failed 1 of", "functional", "near item 'item-7'", "nobody not among the first 10"):
            assert words in (failed.error or "")
        assert failed.result == {"generation": "g2"}
        assert await world.content(record) == before
        assert await states_of_generations(world, record) == {"g1": "live", "g2": "failed"}


async def test_without_activation_a_rebuild_waits_to_be_switched_to(world: IndexerWorld, make_record: MakeRecord):
    record = await world.create(make_record())
    async with world.indexer():
        await world.indexed_up_to(record, await publish_items(world, record, range(50)))
        await succeeded(world, await start(world, record, Rebuild(activate=False)))
        listed = GenerationList.model_validate(await ask(world, record, ListGenerations()))
        staged = listed.generations[1]
        assert (listed.live, staged.name, staged.state, staged.validated) == ("g1", "g2", "staged", True)
        assert (staged.items, staged.segments) == (50, 1)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        pytest.param({"timeout_seconds": 0.2}, "not done within 0.2 s", id="time"),
        pytest.param({"memory_bytes": 1024 * 1024}, "1.0 MiB are allowed", id="memory"),
    ],
)
async def test_a_rebuild_keeps_its_limits(
    world: IndexerWorld, make_record: MakeRecord, limits: dict[str, Any], words: str
):
    record = await world.create(make_record())
    async with world.indexer():
        before = await world.indexed_up_to(record, await publish_items(world, record, range(500)))
        failed = await ended(world, await start(world, record, Rebuild(index=GRAPH, **limits)))
        assert failed.state is OperationState.FAILED
        assert words in (failed.error or "")
        assert await world.content(record) == before
        assert await states_of_generations(world, record) == {"g1": "live"}
        assert not building_processes()


async def test_one_operation_at_a_time_which_can_be_cancelled(world: IndexerWorld, make_record: MakeRecord):
    record = await world.create(make_record())
    async with world.indexer(**MANY_PARTS):
        await publish_parts(world, record)
        operation = await start(world, record, Rebuild(index=GRAPH))
        with pytest.raises(ConflictError, match=f"operation {operation.id} .rebuild"):
            await start(world, record, Rebuild())
        await wait_until(building_processes)
        answer = await ask(world, record, CancelOperation(operation=operation.id))
        cancelled = OperationRecord.model_validate(answer)
        assert cancelled.state is OperationState.CANCELLED
        assert not building_processes()
        assert await states_of_generations(world, record) == {"g1": "live"}
        # The next one is not in the way of what went before.
        await succeeded(world, await start(world, record, Rebuild()))


async def test_a_rollback_is_quick_and_loses_nothing(world: IndexerWorld, make_record: MakeRecord):
    record = await world.create(make_record())
    async with world.indexer(indexer_graph_min_rows=100):
        await world.indexed_up_to(record, await publish_items(world, record, range(2000)))
        await succeeded(world, await start(world, record, Rebuild(index=GRAPH)))
        sequence = await publish_items(world, record, [1, 2, 5000], first_version=5000)
        await world.indexed_up_to(record, sequence)
        finished = await succeeded(world, await start(world, record, Rollback()))
        content = await world.content(record)
        assert content is not None
        assert content.manifest.generation == "g1"
        assert content.versions["item-5000"] == 5002
        assert len(content.versions) == 2001
        assert finished.finished_at is not None
        # A small fraction of a second where nothing else runs.
        assert (finished.finished_at - finished.created_at).total_seconds() < 5
        # The way back is a way forward, too.
        await succeeded(world, await start(world, record, Rollback()))
        assert await states_of_generations(world, record) == {"g1": "kept", "g2": "live"}


async def test_an_empty_collection_can_be_rebuilt(world: IndexerWorld, make_record: MakeRecord):
    record = await world.create(make_record())
    async with world.indexer():
        await succeeded(world, await start(world, record, Rebuild(index=GRAPH)))
        content = await world.indexed_up_to(record, await publish_items(world, record, range(5)))
        assert (content.manifest.generation, content.manifest.index, len(content.versions)) == ("g2", GRAPH, 5)


async def test_the_live_generation_can_be_validated(world: IndexerWorld, make_record: MakeRecord):
    record = await world.create(make_record())
    async with world.indexer():
        await world.indexed_up_to(record, await publish_items(world, record, range(50)))
        finished = await succeeded(world, await start(world, record, Validate()))
        assert finished.result["generation"] == "g1"
        report = await world.blobs.get(finished.result["report"])
        assert ValidationReport.model_validate_json(report).passed
        listed = GenerationList.model_validate(await ask(world, record, ListGenerations()))
        assert [(generation.state, generation.validated) for generation in listed.generations] == [("live", True)]


async def test_garbage_collection_and_merges_go_on_beside_a_rebuild(world: IndexerWorld, make_record: MakeRecord):
    record = await world.create(make_record())
    settings = {
        **MANY_PARTS,
        "indexer_segments_per_tier": 2,
        "indexer_housekeeping_seconds": 0.1,
        "indexer_keep_manifests": 1,
        "indexer_retention_seconds": 1.0,
    }
    async with world.indexer(**{**settings, "indexer_segments_per_tier": 100}):
        versions = await publish_parts(world, record)
    async with world.indexer(**settings):
        operation = await start(world, record, Rebuild(index=GRAPH))
        version = 10_000
        finished = asyncio.create_task(succeeded(world, operation))
        while not finished.done():
            version += 1
            versions["item-3"] = version
            sequence = await publish_items(world, record, [3], first_version=version)
            await world.indexed_up_to(record, sequence)
        await finished
        content = await world.indexed_up_to(record, sequence)
        assert content.manifest.generation == "g2"
        assert content.versions == versions


async def test_an_operation_that_brings_its_indexer_down_is_given_up(world: IndexerWorld, make_record: MakeRecord):
    record = await world.create(make_record())
    environment = {f"SIGHTWIRE_{name.upper()}": str(value) for name, value in MANY_PARTS.items()}
    async with world.indexer_process(**environment) as indexer:
        await indexer.start()
        await publish_parts(world, record)
        operation = await start(world, record, Rebuild(index=GRAPH))
        for attempt in (1, 2, 3):
            await reached(world, operation, attempts=attempt)
            await indexer.kill()
            await indexer.start()
        failed = await ended(world, operation)
        assert (failed.state, failed.attempts) == (OperationState.FAILED, 3)
        assert "in each of 3 attempts" in (failed.error or "")
        assert await states_of_generations(world, record) == {"g1": "live"}
        assert await indexer.stop() == 0
