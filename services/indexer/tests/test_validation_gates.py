"""Gates: a good candidate passes them all, and each one stops a candidate that is broken in its way, and says how."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from obstore.store import MemoryStore
from sightwire_indexer.validation.gatekeeper import GATES, Gatekeeper
from sightwire_indexer.validation.latency import latency
from sightwire_indexer.validation.monotonicity import monotonicity
from sightwire_indexer.validation.sampling import sampled_items, sampled_vectors
from sightwire_indexer.validation.searching import Found, GenerationSearch
from sightwire_indexer.validation.trial import Source, Trial

from services.indexer.tests.gate_world import (
    INDEX,
    RECORD,
    GateWorld,
    HeardOperation,
    checkpoint,
    edit_vectors,
    picture,
    put,
    rewrite_description,
)
from sightwire.blobs import BlobStore, open_blob_store
from sightwire.contracts.validation import GateReport, GateThresholds, ProbeQuery, ValidationReport
from sightwire.errors import NotFoundError
from sightwire.segments.garbage import collect_garbage, needless_reports
from sightwire.segments.generations import GenerationState
from sightwire.segments.layout import IndexLayout, report_name_of
from sightwire.segments.resolution import Change

THRESHOLDS = GateThresholds(sample=40)
#: More than there is: nothing is left to chance.
EVERYTHING = 400


@pytest_asyncio.fixture(loop_scope="session")
async def world(tmp_path: Path) -> GateWorld:
    return await GateWorld.open(open_blob_store(str(tmp_path / "blobs")), tmp_path / "cache")


def keeper(world: GateWorld) -> Gatekeeper:
    return Gatekeeper(RECORD, world.writer, world.blobs, writing=asyncio.Lock(), thresholds=THRESHOLDS)


async def validated(world: GateWorld, name: str | None = "g2", **gates: Any) -> ValidationReport:
    thresholds = THRESHOLDS.model_copy(update=gates) if gates else None
    return await keeper(world).validate(name, thresholds, HeardOperation())


def failed_gate(report: ValidationReport, gate: str) -> GateReport:
    """The report of a gate that must be the only one that failed."""
    assert [seen.gate for seen in report.gates if not seen.passed] == [gate], report.failures
    (found,) = [seen for seen in report.gates if seen.gate == gate]
    return found


async def test_a_good_candidate_passes_and_its_report_is_kept(world: GateWorld) -> None:
    await world.stage(world.items)
    operation = HeardOperation()
    report = await keeper(world).validate("g2", None, operation)
    assert report.failures == []
    assert [gate.gate for gate in report.gates] == list(GATES)
    assert (report.generation, report.live_generation, report.manifest_version) == ("g2", "g1", 3)
    assert [progress.stage for progress in operation.progress] == [f"gate {gate}" for gate in GATES]
    assert await keeper(world).report("g2") == report
    record = await world.writer.generation("g2")
    assert record is not None
    assert record.report_key is not None
    assert report_name_of(record.report_key) == ("g2", report.created_at)


async def test_a_generation_on_a_remote_store_passes(tmp_path: Path) -> None:
    world = await GateWorld.open(BlobStore(MemoryStore(), root=None), tmp_path)
    record = await world.stage(world.items)
    assert (await validated(world)).failures == []
    key = f"{world.layout.segment_prefix(record.segments[0].id)}/items.arrow"
    await world.blobs.delete([key])
    assert failed_gate(await validated(world), "structure").failures == (
        f"the store lacks {key}, which the generation refers to",
    )


async def test_the_live_generation_is_validated_by_itself(world: GateWorld) -> None:
    report = await validated(world, None)
    assert (report.generation, report.failures) == ("g1", [])
    assert await keeper(world).report("g1") == report
    with pytest.raises(NotFoundError, match="no report of generation 'g9'"):
        await keeper(world).report("g9")
    with pytest.raises(NotFoundError, match="no generation 'g9'"):
        await validated(world, "g9")


async def test_what_is_ingested_meanwhile_fails_no_gate(world: GateWorld) -> None:
    await world.stage(world.items)
    updates = [put(picture(number, 10)) for number in range(20, 60)]
    deletions = [Change(f"item-{number:03d}", 11, None) for number in range(60, 90)]
    await world.writer.commit([*updates, *deletions, put(picture(400, 12))], checkpoint(3))
    assert (await validated(world)).failures == []


async def test_the_base_stays_until_the_candidate_is_live_or_forgotten(world: GateWorld) -> None:
    await world.stage(world.items)
    for version in range(10, 14):
        await world.writer.commit([put(picture(number, version)) for number in range(300)], checkpoint(version))

    async def collect() -> None:
        await collect_garbage(world.blobs, world.layout, keep_manifests=1, min_age=timedelta(0))

    await collect()
    assert (await validated(world)).failures == []
    base = world.layout.manifest_key(3)
    assert await world.blobs.size(base) is not None
    await world.writer.forget("g2")
    await collect()
    assert await world.blobs.size(base) is None


async def test_without_its_base_a_candidate_is_compared_with_what_is_live(world: GateWorld) -> None:
    await world.stage(world.items[:-1], state=GenerationState.FAILED)
    await world.writer.commit([put(picture(number, 10)) for number in range(20, 60)], checkpoint(3))
    await world.blobs.delete([world.layout.manifest_key(3)])
    # What came later is no difference, but what never came over is.
    assert failed_gate(await validated(world), "count").failures == ("missing: item-299",)


@pytest.mark.parametrize(("items", "passes"), [(300, True), (301, False)])
async def test_of_a_backup_the_number_of_items_counts(world: GateWorld, items: int, passes: bool) -> None:
    await world.stage([picture(number, 50) for number in range(300)], source_items=items)
    report = await validated(world)
    assert report.passed is passes
    if not passes:
        assert "300 items, what it was made from has 301" in failed_gate(report, "count").summary


def flip_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


async def test_a_flipped_byte_is_found_before_anything_is_searched(world: GateWorld) -> None:
    record = await world.stage(world.items)
    flip_byte(world.file(record, "vectors.image.f32"))
    report = await validated(world)
    (failure,) = failed_gate(report, "structure").failures
    assert f"segment {record.segments[0].id}: the sha256 of vectors.image.f32 differs" in failure
    assert len(report.gates) == 1


async def test_a_generation_that_cannot_be_opened_fails_too(world: GateWorld) -> None:
    record = await world.stage(world.items)
    world.file(record, "items.arrow").unlink()
    (failure,) = failed_gate(await validated(world), "structure").failures
    assert "lacks its file items.arrow" in failure


async def test_dropped_items_are_named(world: GateWorld) -> None:
    await world.stage(world.items[:-3])
    gate = failed_gate(await validated(world), "count")
    assert gate.failures == (
        "missing: item-297, item-298, item-299",
        "field 'image' has 297 vectors, its base has 300",
        "field 'place' has 297 vectors, its base has 300",
        "field 'object' has 297 vectors, its base has 300",
    )
    assert (await validated(world, max_count_difference=0.01)).passed


async def test_a_vector_that_is_not_normalised_is_named(world: GateWorld) -> None:
    def double(numbers: Any) -> None:
        numbers[:16] *= 2

    await world.stage(world.items, break_segment=lambda folder: edit_vectors(folder, "image", double))
    report = await validated(world)
    (gate,) = [gate for gate in report.gates if gate.gate == "dimension"]
    assert not gate.passed
    assert "in field 'image' has length 2, expected length 1" in gate.failures[0]


async def test_swapped_vectors_are_named(world: GateWorld) -> None:
    def swap(numbers: Any) -> None:
        rows = numbers.reshape(-1, 2)
        rows[[0, 1]] = rows[[1, 0]]

    await world.stage(world.items, break_segment=lambda folder: edit_vectors(folder, "place", swap))
    gate = failed_gate(await validated(world, sample=EVERYTHING), "metadata")
    assert len(gate.failures) == 2
    assert "its vector in field 'place' is another one" in gate.failures[0]


async def test_an_index_over_other_vectors_is_found_by_its_answers(world: GateWorld) -> None:
    """The graph was built over vectors in another order, so that its links lead astray."""

    def take_graph_of_others(folder: Path) -> None:
        edit_vectors(folder, "image", lambda numbers: np.random.default_rng(1).shuffle(numbers.reshape(-1, 16)))

    await world.stage(world.items, break_segment=take_graph_of_others, parts=1)
    report = await validated(world)
    by_gate = {gate.gate: gate for gate in report.gates}
    assert not by_gate["recall"].passed
    assert "field 'image', near item 'item-" in by_gate["recall"].failures[0]
    assert "did not come, but" in by_gate["recall"].failures[0]
    assert not by_gate["self_recall"].passed
    assert "in field 'image' finds 'item-" in by_gate["self_recall"].failures[0]
    # Those that it finds are in order nevertheless.
    assert by_gate["monotonicity"].passed


async def test_equal_vectors_may_stand_in_for_one_another(world: GateWorld) -> None:
    same = world.items[0].vectors
    alike = [
        replace(item, version=20 + number, vectors={**item.vectors, "image": same["image"]})
        for number, item in enumerate(world.items)
    ]
    await world.writer.commit([put(item) for item in alike], checkpoint(3))
    await world.stage(alike)
    assert (await validated(world)).failures == []


async def test_stale_metadata_is_named(world: GateWorld) -> None:
    stale = [replace(world.items[0], tags=("old",), metadata={"price": 3.5}), *world.items[1:]]
    await world.stage(stale)
    gate = failed_gate(await validated(world, sample=EVERYTHING), "metadata")
    assert gate.failures == (
        "item 'item-000', version 2: tags is ['old'], expected ['tag0']",
        "item 'item-000', version 2: metadata.price is 3.5, expected 0.0",
    )


async def test_an_older_version_is_named(world: GateWorld) -> None:
    await world.stage([picture(0), *world.items[1:]])
    report = await validated(world, sample=EVERYTHING)
    assert [gate.gate for gate in report.gates if not gate.passed] == ["count", "metadata"]
    assert report.gates[-2].failures == ("item 'item-000' has version 1, what the generation was made from has 2",)


async def test_words_that_are_not_found_are_named(world: GateWorld) -> None:
    await world.stage(world.items, break_segment=lambda folder: rewrite_description(folder, text_files=[]), parts=1)
    gate = failed_gate(await validated(world), "functional")
    assert "is not found by its own words 'a " in gate.failures[0]


PROBES: Sequence[tuple[ProbeQuery, str | None]] = [
    (ProbeQuery(text="number77", expect=("item-077",)), None),
    (ProbeQuery(text="Violins number5", expect=("item-005",), k=1), None),
    (
        ProbeQuery(text="number77", expect=("item-078",)),
        "words 'number77': item-078 not among the first 10, which are item-077",
    ),
    (
        ProbeQuery(text="nowhere", expect=("item-078",)),
        "words 'nowhere': item-078 not among the first 10, which are nothing",
    ),
    (ProbeQuery(item="item-003", field="place", expect=("item-003",), k=1), None),
    (ProbeQuery(item="item-004", field="object", expect=("item-004",), k=1), None),
    (
        ProbeQuery(item="item-003", expect=("item-004",), k=1),
        "near item 'item-003': item-004 not among the first 1, which are item-003",
    ),
    (
        ProbeQuery(item="item-003", field="object", expect=("item-003",)),
        "near item 'item-003': it has no vector to search with",
    ),
    (
        ProbeQuery(item="item-003", field="sound", expect=("item-003",)),
        "near item 'item-003': there is no vector field 'sound', but image, place, object",
    ),
    (ProbeQuery(item="item-999", expect=("item-003",)), "near item 'item-999': there is no such item"),
]


async def test_configured_searches_must_bring_what_is_expected(world: GateWorld) -> None:
    await world.stage(world.items)
    report = await validated(world, probes=tuple(probe for probe, _ in PROBES))
    assert failed_gate(report, "functional").failures == tuple(words for _, words in PROBES if words)


async def test_recall_is_that_of_searches_with_the_candidates_own_effort(world: GateWorld) -> None:
    recalls: dict[int, float] = {}
    for name, effort in (("g2", 10), ("g3", 4000)):
        await world.stage(world.items, name=name, parts=1, index={**INDEX, "ef_search": effort})
        report = await validated(world, name)
        (gate,) = [gate for gate in report.gates if gate.gate == "recall"]
        recalls[effort] = gate.measured["recall"]["image"]
    assert recalls[10] < recalls[4000] == 1.0


class SlowSearch(GenerationSearch):
    """As a generation whose files lie on a slow disk."""

    def search_segment(self, *args: Any, **kwargs: Any) -> list[list[Found]]:
        deadline = time.perf_counter() + 0.004
        while time.perf_counter() < deadline:
            pass
        return super().search_segment(*args, **kwargs)


class ReversedSearch(GenerationSearch):
    """Its indexes answer worst first."""

    def search_segment(self, *args: Any, **kwargs: Any) -> list[list[Found]]:
        return [answer[::-1] for answer in super().search_segment(*args, **kwargs)]


class GuessingSearch(GenerationSearch):
    """Its scores are those of codes, not of vectors."""

    def search_segment(self, *args: Any, **kwargs: Any) -> list[list[Found]]:
        return [
            [Found(found.score + 0.01, found.target) for found in answer]
            for answer in super().search_segment(*args, **kwargs)
        ]


def trial(world: GateWorld, kind: Callable[..., GenerationSearch], **thresholds: Any) -> Trial:
    live = GenerationSearch(world.writer.live, RECORD)
    candidate = kind(world.writer.live, RECORD)
    return Trial(candidate, Source(live, complete=True, items=None), live, GateThresholds(sample=40, **thresholds))


async def test_a_slower_generation_is_found_out(world: GateWorld) -> None:
    report = latency(trial(world, SlowSearch))
    assert not report.passed
    assert "field 'image': median " in report.failures[0]
    assert "field 'image', near item 'item-" in report.failures[1]
    assert latency(trial(world, SlowSearch, latency_slack_ms=500)).passed


@pytest.mark.parametrize(
    ("kind", "words"), [(ReversedSearch, "comes after 'item-"), (GuessingSearch, "its vector has")]
)
async def test_a_wrong_order_and_wrong_scores_are_found_out(
    world: GateWorld, kind: type[GenerationSearch], words: str
) -> None:
    assert monotonicity(trial(world, GenerationSearch)).passed
    report = monotonicity(trial(world, kind))
    assert not report.passed
    assert report.failures[0].startswith("field 'image', near item 'item-")
    assert words in report.failures[0]


async def test_samples_are_spread_over_segments_and_the_same_every_time(world: GateWorld) -> None:
    search = trial(world, GenerationSearch).candidate
    items = sampled_items(search, 100)
    assert items == sampled_items(search, 100)
    assert len(set(items)) == 100
    # 290 of 300 live items are in the first segment.
    assert sum(target.segment == 0 for target in items) > 80
    assert len(sampled_items(search, 10_000)) == 300
    vectors = sampled_vectors(search, "object", 10_000)
    assert len(set(vectors)) == 300
    assert {search.item_id("object", target) for target in vectors} == {item.id for item in world.items if item.objects}


def test_reports_go_with_their_generation_and_old_ones_anyway() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    times = [noon + timedelta(minutes=minute) for minute in range(12)]
    layout = IndexLayout.of(RECORD)
    keys = {name: [layout.report_key(name, when) for when in times] for name in ("g1", "g2")}
    everything = [*keys["g1"], *keys["g2"], f"{layout.reports_prefix}/notes.txt"]
    assert needless_reports(everything, {"g1"}, older_than=times[6]) == sorted([*keys["g1"][:2], *keys["g2"][:6]])
    assert needless_reports(everything, {"g1", "g2"}, older_than=noon) == []
