"""The comparison of search engines: how efforts are found, what tables and plots make of results."""

import asyncio
import json
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from bench.search.clients import CoroutineClients, ThreadClients
from bench.search.measuring import EFFORTS, RECALL, smallest_effort
from bench.search.plot_data import lines, p99_milliseconds, panel, queries_per_second
from bench.search.results import Comparison, EngineResult, LoopResult, Machine, MergeCost
from bench.search.tables import tables
from bench.search.task import BUCKETS, PERCENTS, K, Task, enlarged, perturbed, recall, write_task
from bench.written_index import clustered_vectors

QUIET = Machine(at=datetime(2026, 1, 1, tzinfo=UTC), load_average=0.1)


def loop(percent: int, clients: int, rate: float, p99: float) -> LoopResult:
    return LoopResult(
        percent=percent, effort=32, recall=0.96, clients=clients, queries_per_second=rate, p50_ms=p99 / 2, p99_ms=p99
    )


def result(engine: str, kind: str, rate: float, *, vectors: int = 1_000, **more: object) -> EngineResult:
    loops = tuple(loop(percent, clients, rate * clients, 10 / rate) for percent in (100, 1) for clients in (1, 16))
    return EngineResult.model_validate(
        {
            "engine": engine,
            "label": engine.title(),
            "kind": kind,
            "vectors": vectors,
            "dimension": 8,
            "before": QUIET,
            "after": QUIET,
            "loops": loops,
            **more,
        }
    )


def comparison(*engines: EngineResult, merges: tuple[MergeCost, ...] = ()) -> Comparison:
    return Comparison(task="made up", machine="none", quick=True, engines=engines, merges=merges)


def rows_of(shown: Comparison, title: str) -> dict[object, tuple[object, ...]]:
    (table,) = (table for table in tables(shown) if title in table.title)
    return {row[0]: tuple(row[1:]) for row in table.rows}


@pytest.mark.parametrize(
    ("sufficient", "expected"),
    [(1, EFFORTS[0]), (EFFORTS[0] + 1, EFFORTS[1]), (100, 112), (EFFORTS[-1], EFFORTS[-1])],
)
async def test_the_smallest_sufficient_effort_is_found(sufficient: int, expected: int) -> None:
    tried: list[int] = []

    async def recall_of(effort: int) -> float:
        tried.append(effort)
        return RECALL if effort >= sufficient else RECALL - 0.1

    assert await smallest_effort(EFFORTS, recall_of) == (expected, RECALL)
    assert len(tried) <= len(EFFORTS).bit_length(), "few efforts are tried"


async def test_the_largest_effort_is_taken_when_none_suffices() -> None:
    async def recall_of(_effort: int) -> float:
        return 0.5

    assert await smallest_effort(EFFORTS, recall_of) == (EFFORTS[-1], 0.5)


def test_recall_counts_what_is_right_in_any_order() -> None:
    truth = np.array([[1, 2, 3, 4], [5, 6, 7, 8]])
    assert recall([[4, 3, 2, 1], [5, 6, 0, 0]], truth) == pytest.approx(0.75)


def test_a_task_is_read_as_it_was_written(tmp_path: Path) -> None:
    vectors = clustered_vectors(2_000, 16, clusters=5, seed=1)
    queries = clustered_vectors(20, 16, clusters=5, seed=2)
    write_task(tmp_path / "task", "clusters", vectors, queries, inserts=30)
    task = Task.read(tmp_path / "task")
    assert task.name == "clusters"
    np.testing.assert_array_equal(task.vectors, vectors)
    np.testing.assert_array_equal(task.queries, queries)
    assert task.inserts.shape == (30, 16)
    for percent in PERCENTS:
        selected = task.buckets < percent
        assert selected.mean() == pytest.approx(percent / BUCKETS, rel=0.5)
        products = np.where(selected, task.queries @ vectors.T, -2.0)
        expected = np.argsort(-products, axis=1)[:, :K]
        assert recall(expected.tolist(), task.truth[percent]) == 1.0


def test_copies_are_near_their_originals_and_none_is_one() -> None:
    vectors = clustered_vectors(300, 64, clusters=5, seed=1)
    copies = perturbed(vectors, np.random.default_rng(1))
    cosines = np.sum(vectors * copies, axis=1)
    assert np.all(cosines > 0.9)
    assert np.all(cosines < 0.999)


@pytest.mark.parametrize("size", [10, 300, 301, 900, 1_000])
def test_a_corpus_of_any_size_begins_with_the_given_vectors(size: int) -> None:
    vectors = clustered_vectors(300, 16, clusters=5, seed=1)
    made = enlarged(vectors, size)
    assert made.shape == (size, 16)
    np.testing.assert_array_equal(made[:300], vectors[:size])
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1, rtol=1e-5)
    assert len(np.unique(made, axis=0)) == size


def test_every_engine_has_a_row_even_where_it_was_not_measured() -> None:
    shown = comparison(
        result("faiss", "limit", 100.0),
        result("opensearch", "server", 1.0, loops=(), failure="there is no Java"),
    )
    for percent in (100, 1):
        rows = rows_of(shown, f"{percent}% may be found")
        assert rows["Faiss"][3:6] == pytest.approx((100.0, 0.05, 0.1))
        assert set(rows["Opensearch"][1:-1]) == {"–"}
    assert all("there is no Java" in table.note for table in tables(shown) if "may be found" in table.title)
    assert "Opensearch" in rows_of(shown, "Building")


def test_aims_are_held_against_the_best_server_and_the_limits() -> None:
    shown = comparison(
        result("faiss", "limit", 100.0, flood_queries_per_second=200.0),
        result("bare-grpc", "limit", 10.0),
        result("sightwire", "server", 9.0, flood_queries_per_second=150.0),
        result("weaviate", "server", 3.0),
        result("opensearch", "server", 2.0),
        result("chroma", "library", 8.0),
    )
    aims = {str(what): ratio for what, (ratio, _) in rows_of(shown, "over the others").items()}
    assert aims["100% may be found, 1 client: queries a second over Weaviate"] == pytest.approx(3.0)
    assert aims["1% may be found, 16 clients: p99 over Weaviate"] == pytest.approx(1 / 3)
    assert aims["queries a second, 16 clients, over Bare-Grpc"] == pytest.approx(0.9)
    assert aims["queries a second, as many as possible, over FAISS in batches"] == pytest.approx(0.75)


def test_sightwire_is_not_held_against_itself() -> None:
    shown = comparison(
        result("sightwire", "server", 9.0), result("sightwire-two", "server", 12.0), result("weaviate", "server", 3.0)
    )
    ratios = {
        table.title: next(iter(rows_of(shown, table.title).values()))[0]
        for table in tables(shown)
        if "over the others" in table.title
    }
    assert ratios == {
        "Sightwire over the others": pytest.approx(3.0),
        "Sightwire-Two over the others": pytest.approx(4.0),
    }


def test_several_sizes_and_merges_have_tables_of_their_own() -> None:
    cost = MergeCost(items=1_000, merge_cpu_seconds=2.0, seconds=5.0, segments=3, before=QUIET)
    shown = comparison(
        result("faiss", "limit", 100.0, vectors=1_000, build_seconds=1.0, resident_bytes=64_000),
        result("faiss", "limit", 50.0, vectors=10_000, build_seconds=20.0),
        merges=(cost,),
    )
    (table,) = (table for table in tables(shown) if "by number of vectors" in table.title)
    assert [row[1] for row in table.rows] == [1_000, 10_000]
    assert [row[-2:] for row in table.rows] == [[1.0, 64.0], [2.0, "–"]]
    assert rows_of(shown, "merging costs")[1_000][1] == pytest.approx(2.0)
    for each in tables(shown):
        assert each.markdown()


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    shown = comparison(result("faiss", "limit", 100.0), result("chroma", "library", 8.0, failure="no"))
    path = tmp_path / "results.json"
    shown.write(path)
    assert Comparison.read(path) == shown
    assert json.loads(path.read_text())["engines"][0]["engine"] == "faiss"


def test_a_panel_leaves_out_engines_without_the_filter() -> None:
    engines = [
        result("faiss", "limit", 100.0),
        result("bare-grpc", "limit", 10.0, loops=(loop(100, 1, 10.0, 1.0),)),
        result("chroma", "library", 8.0),
    ]
    rates = panel(engines, 100, queries_per_second, "all")
    assert [(row.engine, row.one, row.many) for row in rates.rows] == [
        ("faiss", 100.0, 1600.0),
        ("bare-grpc", 10.0, None),
        ("chroma", 8.0, 128.0),
    ]
    assert [row.label for row in panel(engines, 1, p99_milliseconds, "few").rows] == ["Faiss", "Chroma (library)"]


def test_lines_need_two_sizes_and_ascend() -> None:
    shown = comparison(
        result("faiss", "limit", 5.0, vectors=100, build_seconds=2.0),
        result("faiss", "limit", 5.0, vectors=10, build_seconds=1.0),
        result("chroma", "library", 5.0, vectors=10, build_seconds=1.0),
    )
    (line,) = lines(shown, lambda each: each.build_seconds)
    assert line.engine == "faiss"
    assert line.points == [(10, 1.0), (100, 2.0)]


async def test_threads_and_coroutines_measure_alike_and_count_slow_answers() -> None:
    def call(number: int) -> list[int]:
        time.sleep(0.02)
        return [number]

    async def ask(number: int) -> list[int]:
        await asyncio.sleep(0.02)
        return [number]

    for clients in (ThreadClients(call), CoroutineClients(ask)):
        assert await clients.answers([4, 0, 3]) == [[4], [0], [3]]
        rate = await clients.loop(4, queries=3, seconds=0.001)
        assert rate.clients == 4
        assert rate.latency.p50 >= 0.02
        assert 0 < rate.queries_per_second < 4 / 0.02
