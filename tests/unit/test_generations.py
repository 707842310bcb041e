"""Generations beside the live one: what becomes of them, and what a switch makes, moves and leaves alone."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from sightwire.blobs import BlobStore, open_blob_store
from sightwire.contracts.collections import CollectionRecord
from sightwire.errors import InvalidInputError, NotFoundError
from sightwire.segments.garbage import collect_garbage
from sightwire.segments.generations import (
    GenerationRecord,
    GenerationState,
    generation_number,
    next_generation_name,
    superfluous,
)
from sightwire.segments.index_writer import IndexWriter
from sightwire.segments.layout import IndexLayout
from sightwire.segments.manifest import Checkpoint
from sightwire.segments.merge_policy import MergePolicy
from sightwire.segments.merge_task import run_merge
from sightwire.segments.resolution import Change
from tests.plugin.crashing_blobs import CrashingBlobStore, SimulatedCrashError
from tests.plugin.index_reading import read_index
from tests.plugin.segments import item

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
RECORD = CollectionRecord.model_validate(
    {
        "spec": {"name": "photos", "fields": {"image": {"source": "image", "dimension": 8}}},
        "uid": "0",
        "created_at": NOON,
        "space": "first-space",
    }
)


def checkpoint(sequence: int) -> Checkpoint:
    return Checkpoint(sequence=sequence, stream_created_at=NOON)


def put(item_id: str, version: int) -> Change:
    return Change(item_id, version, item(item_id, version))


def record(name: str, state: GenerationState = GenerationState.KEPT, hours: int = 0) -> GenerationRecord:
    return GenerationRecord(
        name=name, state=state, space="first-space", created_at=NOON + timedelta(hours=hours), base_version=1
    )


async def open_writer(blobs: BlobStore, cache: Path) -> IndexWriter:
    return await IndexWriter.open(RECORD, blobs, cache, new_index_checkpoint=checkpoint(0))


async def two_generations(blobs: BlobStore, cache: Path) -> IndexWriter:
    """g1 is live; g2 shares its first segment, and lacks an update, a new item and two deletions."""
    writer = await open_writer(blobs, cache)
    await writer.commit([put("a", 1), put("b", 2), put("c", 3), put("d", 4)], checkpoint(1))
    await writer.keep("before the changes")
    await writer.commit([put("a", 5), put("e", 6), Change("b", 7, None), Change("unknown", 8, None)], checkpoint(2))
    return writer


NOW = {"a": 5, "c": 3, "d": 4, "e": 6}
THEN = {"a": 1, "b": 2, "c": 3, "d": 4}


async def versions(blobs: BlobStore, cache: Path) -> dict[str, int]:
    content = await read_index(blobs, RECORD, cache)
    assert content is not None
    return content.versions


@pytest.fixture(params=["local", "remote"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    if request.param == "local":
        return open_blob_store(str(tmp_path / "blobs"))
    return BlobStore(MemoryStore(), root=None)


@pytest.mark.parametrize(
    ("names", "expected"),
    [([], "g1"), (["g1"], "g2"), (["g1", "g3"], "g4"), (["g9", "g10"], "g11"), (["g2", "else", "gx"], "g3")],
)
def test_names_count_up(names: list[str], expected: str) -> None:
    assert next_generation_name(names) == expected
    assert generation_number(expected) == int(expected[1:])


@pytest.mark.parametrize(
    ("keep", "expected"), [(0, {"g1", "g2", "g3"}), (1, {"g1", "g3"}), (2, {"g3"}), (3, set()), (9, set())]
)
def test_the_newest_kept_generations_stay_and_those_of_other_states_too(keep: int, expected: set[str]) -> None:
    records = [
        record("g1", hours=2),
        record("g2", hours=3),
        record("g3", hours=1),
        record("g4", GenerationState.STAGED),
        record("g5", GenerationState.BUILDING),
        record("g6", GenerationState.FAILED),
    ]
    assert {gone.name for gone in superfluous(records, keep=keep)} == expected


async def test_a_switch_carries_over_what_the_generation_lacks(blobs: BlobStore, tmp_path: Path) -> None:
    writer = await two_generations(blobs, tmp_path / "writer")
    before = writer.manifest
    manifest = await writer.switch("g2")
    assert (manifest.generation, manifest.version, manifest.checkpoint) == ("g2", before.version + 1, checkpoint(2))
    assert await versions(blobs, tmp_path / "reader") == NOW
    # The deletion is remembered, so that an older put that comes late stays without effect.
    await writer.commit([put("unknown", 7), put("b", 6)], checkpoint(3))
    assert await versions(blobs, tmp_path / "reader") == NOW
    (kept,) = await writer.generations()
    assert (kept.name, kept.state, kept.segments) == ("g1", GenerationState.KEPT, before.segments)


async def test_going_back_and_forth_copies_nothing_twice(blobs: BlobStore, tmp_path: Path) -> None:
    writer = await two_generations(blobs, tmp_path / "writer")
    segments = [(await writer.switch(name)).segments for name in ("g2", "g1", "g2", "g1")]
    assert segments[0] == segments[2]
    assert segments[1] == segments[3]
    assert await versions(blobs, tmp_path / "reader") == NOW


async def test_an_old_state_comes_back_as_it_was(blobs: BlobStore, tmp_path: Path) -> None:
    writer = await two_generations(blobs, tmp_path / "writer")
    assert (await writer.switch("g2", carry_over=False)).checkpoint == checkpoint(2)
    assert await versions(blobs, tmp_path / "reader") == THEN
    await writer.switch("g1", carry_over=False)
    assert await versions(blobs, tmp_path / "reader") == NOW


async def test_a_merge_that_runs_across_a_switch_is_dropped(blobs: BlobStore, tmp_path: Path) -> None:
    writer = await two_generations(blobs, tmp_path / "writer")
    (task,) = writer.merge_planner(graph_min_rows=1000).merges(MergePolicy(segments_per_tier=2, max_deleted_share=0.3))
    run_merge(task)
    manifest = await writer.switch("g2")
    assert not await writer.commit_merge(task)
    assert writer.manifest == manifest
    assert await versions(blobs, tmp_path / "reader") == NOW


async def test_a_merge_without_a_row_that_came_back_is_dropped(blobs: BlobStore, tmp_path: Path) -> None:
    """The same generation is live again, with the same segments, but with fewer rows deleted."""
    writer = await open_writer(blobs, tmp_path / "writer")
    await writer.commit([put("a", 1), put("b", 2)], checkpoint(1))
    await writer.commit([put("c", 3)], checkpoint(2))
    await writer.keep("with a")
    entries = writer.manifest.segments
    await writer.commit([Change("a", 4, None)], checkpoint(3))
    tasks = writer.merge_planner(graph_min_rows=1000).merges(MergePolicy(segments_per_tier=3, max_deleted_share=1.0))
    (task,) = tasks
    run_merge(task)
    await writer.switch("g2", carry_over=False)
    old_state = record("g1").model_copy(update={"segments": entries})
    await writer.stage(old_state)
    await writer.switch("g1", carry_over=False)
    assert not await writer.commit_merge(task)
    assert await versions(blobs, tmp_path / "reader") == {"a": 1, "b": 2, "c": 3}


@pytest.mark.parametrize("carry_over", [True, False])
@pytest.mark.parametrize("lose_answer", [True, False])
async def test_a_crash_anywhere_in_a_switch_leaves_the_old_or_the_new_state(
    tmp_path: Path, carry_over: bool, lose_answer: bool
) -> None:
    switched = {True: NOW, False: THEN}[carry_over]
    finished = False
    operation = 0
    while not finished:
        folder = tmp_path / str(operation)
        blobs = CrashingBlobStore(folder / "blobs")
        writer = await two_generations(blobs, folder)
        before = writer.manifest
        blobs.crash_after(operation, lose_answer=lose_answer)
        try:
            await writer.switch("g2", carry_over=carry_over)
        except SimulatedCrashError:
            finished = False
        else:
            finished = True
        blobs.disarm()
        again = await open_writer(blobs, folder)
        if again.manifest.version == before.version:
            assert again.manifest == before
            assert await versions(blobs, folder) == NOW
            await again.switch("g2", carry_over=carry_over)
        assert again.manifest.generation == "g2"
        assert await versions(blobs, folder) == switched
        await again.switch("g1", carry_over=False)
        assert await versions(blobs, folder) == NOW
        operation += 1
    assert operation >= (4 if carry_over else 3), "a record, perhaps a bitmap, and a manifest are stored"


async def test_garbage_collection_leaves_what_a_generation_needs(blobs: BlobStore, tmp_path: Path) -> None:
    writer = await two_generations(blobs, tmp_path / "writer")

    async def collect() -> None:
        await collect_garbage(blobs, IndexLayout.of(RECORD), keep_manifests=1, min_age=timedelta(seconds=-1))

    (task,) = writer.merge_planner(graph_min_rows=1000).merges(MergePolicy(segments_per_tier=2, max_deleted_share=0.3))
    run_merge(task)
    assert await writer.commit_merge(task)
    await collect()
    await writer.switch("g2", carry_over=False)
    await collect()
    assert await versions(blobs, tmp_path / "reader-1") == THEN
    await writer.switch("g1", carry_over=False)
    assert await versions(blobs, tmp_path / "reader-2") == NOW
    assert await writer.forget_old(keep=0) == ["g2"]
    await collect()
    keys = await blobs.keys(IndexLayout.of(RECORD).segments_prefix)
    needed = {entry.id for entry in writer.manifest.segments}
    assert {key.split("/")[3] for key in keys} == needed
    assert await versions(blobs, tmp_path / "reader-3") == NOW


async def test_what_cannot_become_live_is_refused(tmp_path: Path) -> None:
    blobs = open_blob_store(str(tmp_path / "blobs"))
    writer = await two_generations(blobs, tmp_path)
    manifest = writer.manifest
    with pytest.raises(InvalidInputError, match="is live already"):
        await writer.switch("g1")
    with pytest.raises(NotFoundError, match="there are: g2"):
        await writer.switch("g7")
    await writer.stage(record("g3", GenerationState.BUILDING))
    with pytest.raises(InvalidInputError, match="is building"):
        await writer.switch("g3")
    with pytest.raises(InvalidInputError, match="is live; give"):
        await writer.stage(record("g1", GenerationState.STAGED))
    with pytest.raises(InvalidInputError, match="newest of 'photos' is 3"):
        await writer.stage(record("g4").model_copy(update={"base_version": 99}))
    assert writer.manifest == manifest
    assert await writer.next_generation_name() == "g4"


async def test_vectors_are_not_carried_into_another_space(tmp_path: Path) -> None:
    blobs = open_blob_store(str(tmp_path / "blobs"))
    writer = await two_generations(blobs, tmp_path)
    manifest = writer.manifest
    other = record("g3", GenerationState.STAGED).model_copy(update={"space": "second-space"})
    await writer.stage(other)
    with pytest.raises(InvalidInputError, match="4 items are newer than generation 'g3' of space 'second-space'"):
        await writer.switch("g3")
    assert writer.manifest == manifest
    # One that has the same items switches the space along.
    await writer.stage(other.model_copy(update={"segments": manifest.segments}))
    assert (await writer.switch("g3")).space == "second-space"
