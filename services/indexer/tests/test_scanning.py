"""A scan: damage is found wherever it is, named, and told to those who watch."""

from pathlib import Path

import pytest
import pytest_asyncio
from prometheus_client import REGISTRY
from sightwire_indexer.scanning import Scanner

from services.indexer.tests.gate_world import RECORD, GateWorld, HeardOperation
from sightwire.blobs import open_blob_store
from sightwire.segments.description import DESCRIPTION_FILE


@pytest_asyncio.fixture(loop_scope="session")
async def world(tmp_path: Path) -> GateWorld:
    """Two segments are live; two more are of a staged generation."""
    world = await GateWorld.open(open_blob_store(str(tmp_path / "blobs")), tmp_path / "cache")
    await world.stage(world.items)
    return world


def damaged_metric() -> float | None:
    return REGISTRY.get_sample_value("sightwire_indexer_damaged_segments", {"collection": RECORD.name})


def live_file(world: GateWorld, position: int, name: str) -> Path:
    folder = world.blobs.local_path(world.layout.segment_prefix(world.writer.manifest.segments[position].id))
    assert folder is not None
    return folder / name


async def test_all_generations_are_read(world: GateWorld) -> None:
    operation = HeardOperation()
    result = await Scanner(RECORD, world.writer, world.blobs).carry_out(operation)
    assert (len(result["scanned"]), result["damaged"]) == (4, [])
    last = operation.progress[-1]
    assert (last.done, last.total, last.unit) == (result["bytes"], result["bytes"], "bytes")
    assert damaged_metric() == 0


@pytest.mark.parametrize(
    ("name", "damage", "words"),
    [
        ("items.arrow", lambda path: path.write_bytes(path.read_bytes()[:-1] + b"?"), "the sha256 of items.arrow is "),
        ("vectors.image.f32", lambda path: path.write_bytes(path.read_bytes()[:-4]), "vectors.image.f32 has "),
        ("objects.arrow", Path.unlink, "objects.arrow is gone"),
        (DESCRIPTION_FILE, Path.unlink, "segment.json is gone"),
        (DESCRIPTION_FILE, lambda path: path.write_bytes(b"{}"), "segment.json does not describe a segment"),
        (DESCRIPTION_FILE, lambda path: path.write_bytes(path.read_bytes() + b" "), "segment.json is another one"),
    ],
)
async def test_a_damaged_segment_is_named_with_its_items(world, name, damage, words) -> None:
    damage(live_file(world, 0, name))
    result = await Scanner(RECORD, world.writer, world.blobs).carry_out(HeardOperation())
    (found,) = result["damaged"]
    assert (found["segment"], found["items"]) == (world.writer.manifest.segments[0].id, 290)
    assert found["generations"] == ["g1"]
    (told,) = found["damage"]
    assert told.startswith(words)
    assert damaged_metric() == 1


async def test_a_damaged_delete_bitmap_is_found(world: GateWorld) -> None:
    deletes = world.writer.manifest.segments[0].deletes
    assert deletes is not None
    await world.blobs.put(deletes.key, b"nonsense")
    result = await Scanner(RECORD, world.writer, world.blobs).carry_out(HeardOperation())
    assert "the sha256 of delete bitmap" in result["damaged"][0]["damage"][0]


async def test_a_scan_goes_on_after_a_crash(world: GateWorld) -> None:
    live_file(world, 0, "items.arrow").unlink()
    first = HeardOperation()
    whole = await Scanner(RECORD, world.writer, world.blobs).carry_out(first)
    remembered = {**whole, "scanned": whole["scanned"][:1]}
    again = HeardOperation()
    await again.remember(remembered)
    result = await Scanner(RECORD, world.writer, world.blobs).carry_out(again)
    assert result["scanned"] == whole["scanned"]
    assert len(result["damaged"]) == 1


async def test_what_is_merged_away_meanwhile_is_no_damage(world: GateWorld) -> None:
    """The live segments go while the scan reads: it finds nothing of them, and says nothing."""
    listed = [entry.id for entry in world.writer.manifest.segments]

    class ForgettingOperation(HeardOperation):
        async def remember(self, memory) -> None:
            await super().remember(memory)
            if len(memory["scanned"]) == 1:
                await world.writer.switch("g2", carry_over=False)
                await world.writer.forget("g1")
                await world.blobs.delete_folder(world.layout.segment_prefix(listed[1]))

    result = await Scanner(RECORD, world.writer, world.blobs).carry_out(ForgettingOperation())
    assert listed[1] not in result["scanned"]
    assert (len(result["scanned"]), result["damaged"]) == (3, [])
