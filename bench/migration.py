"""A collection moves to another model while one client asks in a closed loop and another changes its items.

The other model is the default one, rotated: it costs the same and finds the same, so that nothing but the move itself
makes a difference. Afterwards the collection is compared with one that was made with the other model from the start;
that one then moves back with nothing else going on, which says how fast items are embedded anew.
"""

import asyncio
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc.aio
import numpy as np
from sightwire_orchestrator.migrations.switch_over import roll_back

from bench import inputs
from bench.closed_loop import Answers, Question, Questions, asking_in_turn
from bench.command import Benchmark, main
from bench.index_content import IndexContent, agreement, largest_difference, read_content
from bench.migration_load import CHANGED_EVERY, Changes, Filled, changing, fill, wait_until_holding
from bench.report import Percentiles, Table
from bench.rotated_bundle import NAME, VERSION, default_bundle, make_rotated_bundle
from bench.running import bus_of, platform_without_demo, searcher_of
from bench.wordnet import read_synsets
from sightwire.bus.collections import CollectionRegistry
from sightwire.bus.connection import Bus
from sightwire.client import AsyncSightwire
from sightwire.contracts.pipeline_control import RunReport, TaskReport
from sightwire.contracts.pipelines import PipelineRunState
from sightwire.v1 import searcher_pb2_grpc

_COLLECTION = "words"
_FRESH = "fresh"
_QUESTIONS = 500
_COMPARED_QUERIES = 200
_DEADLINE_SECONDS = 3600.0
#: Both models are the same but for the rotation; the machine's noise is not to stop a canary.
_CANARY_LATENCY_RATIO = 20


#: The same questions come again, and their vectors of the old model would be there already.
_EVERY_QUERY_IS_EMBEDDED = {"SIGHTWIRE_GATEWAY_EMBEDDING_CACHE_BYTES": "0"}


@dataclass(frozen=True, slots=True)
class _Size:
    items: int
    changes_per_second: float
    canary_queries: int
    #: Of each of the times before and after the migration.
    window_seconds: float


_FULL = _Size(items=20_000, changes_per_second=10, canary_queries=200, window_seconds=30)
_QUICK = _Size(items=200, changes_per_second=3, canary_queries=20, window_seconds=2)


@dataclass(frozen=True, slots=True)
class _Window:
    """A time in which queries were asked; seconds since the epoch."""

    name: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class _Moved:
    """What became of the migration under load."""

    windows: Sequence[_Window]
    answers: Answers
    changes: Changes
    report: RunReport
    shadow: str
    rollback_seconds: float


@dataclass(frozen=True, slots=True)
class _Compared:
    """The moved collection against what it has to be, and against one made with the other model from the start."""

    own: IndexContent
    shadow: IndexContent
    fresh: IndexContent
    expected: dict[str, str]
    overlap: float


async def measure(quick: bool) -> list[Table]:
    """Tables of latencies, of what is there afterwards, of rates and of times."""
    size = _QUICK if quick else _FULL
    texts = await asyncio.to_thread(_texts, size.items + size.items // 10, quick)
    with tempfile.TemporaryDirectory(prefix="sightwire-bench-") as folder:
        bundle = await asyncio.to_thread(make_rotated_bundle, Path(folder))
        async with (
            platform_without_demo(environment=_EVERY_QUERY_IS_EMBEDDED) as platform,
            AsyncSightwire(platform.gateway_url, timeout=120) as client,
            grpc.aio.insecure_channel(searcher_of(platform).address) as channel,
            bus_of(platform) as bus,
        ):
            stub = searcher_pb2_grpc.SearcherStub(channel)
            first = {f"item-{number}": text for number, text in enumerate(texts[: size.items])}
            filled = await fill(client, stub, _COLLECTION, first)
            moved = await _move(client, bus, bundle, size, first, texts[size.items :])
            compared, filled_again = await _compare(client, stub, moved)
            back = await _migrate(client, _FRESH, default_bundle())
    return [
        _latency_table(moved),
        _content_table(compared, moved),
        _rate_table(filled, filled_again, back),
        _times_table(moved),
    ]


def _texts(count: int, quick: bool) -> list[str]:
    if quick:
        return inputs.texts(count, seed=11)
    synsets = read_synsets()
    return [synsets[position].text for position in np.linspace(0, len(synsets) - 1, count).astype(int)]


async def _move(
    client: AsyncSightwire, bus: Bus, bundle: Path, size: _Size, texts: dict[str, str], new: Sequence[str]
) -> _Moved:
    windows: list[_Window] = []
    changes = Changes(client, _COLLECTION, texts)

    async def window(name: str) -> None:
        start = time.time()
        await asyncio.sleep(size.window_seconds)
        windows.append(_Window(name, start, time.time()))

    async with asking_in_turn(Questions(client.url, _COLLECTION, _questions(texts))) as answers:
        await window("at rest")
        async with changing(changes, new, per_second=size.changes_per_second):
            await window("items come in, no migration")
            report = await _migrate(
                *(client, _COLLECTION, bundle),
                canary_share=0.5,
                canary_queries=size.canary_queries,
                canary_thresholds={"max_latency_ratio": _CANARY_LATENCY_RATIO},
            )
            windows += _stages(report)
            await window("items come in, the new model answers")
            shadow = (await CollectionRegistry(bus).get(_COLLECTION)).index_name
            started = time.perf_counter()
            await roll_back(bus, _COLLECTION, by="bench")
            rollback_seconds = time.perf_counter() - started
            await window("items come in, the old model answers again")
    return _Moved(windows, answers, changes, report, shadow, rollback_seconds)


def _questions(texts: dict[str, str]) -> list[Question]:
    """Texts of items that stay as they are."""
    staying = [
        Question(text, item_id) for number, (item_id, text) in enumerate(texts.items()) if number % CHANGED_EVERY
    ]
    return staying[:: max(len(staying) // _QUESTIONS, 1)]


async def _migrate(client: AsyncSightwire, collection: str, bundle: Path, **parameters: object) -> RunReport:
    """Does what `sightwire models migrate` does, and waits for the end."""
    registered = await client.models.register({"kind": "folder", "path": str(bundle)})
    wanted = {"collection": collection, "model": str(registered.model.id), **parameters}
    run = (await client.pipelines.run("migrate-collection", wanted)).run
    report = await client.runs.wait(run, timeout=_DEADLINE_SECONDS)
    if report.state is not PipelineRunState.SUCCEEDED:
        raise RuntimeError(f"the migration of {collection} {report.state}: {report.failed_task}: {report.error}")
    return report


def _stages(report: RunReport) -> list[_Window]:
    return [
        _Window(f"migration: {task.name}", task.started_at.timestamp(), task.ended_at.timestamp())
        for task in report.tasks
        if task.started_at is not None and task.ended_at is not None
    ]


async def _compare(
    client: AsyncSightwire, stub: "searcher_pb2_grpc.SearcherAsyncStub", moved: _Moved
) -> tuple[_Compared, Filled]:
    expected = moved.changes.expected
    for index in (_COLLECTION, moved.shadow):
        # Or for a while: what lacks then is in the table.
        await wait_until_holding(stub, index, len(expected))
    await client.models.switch(NAME, VERSION)
    filled = await fill(client, stub, _FRESH, expected)
    own, shadow, fresh = [await read_content(stub, index) for index in (_COLLECTION, moved.shadow, _FRESH)]
    queries = np.stack(list(fresh.vectors.values())[:: max(len(fresh.vectors) // _COMPARED_QUERIES, 1)])
    overlap = await agreement(stub, moved.shadow, _FRESH, queries)
    return _Compared(own, shadow, fresh, expected, overlap), filled


def _latency_table(moved: _Moved) -> Table:
    rows: list[tuple[str | float, ...]] = []
    at_rest = Percentiles.of(moved.answers.seconds_between(moved.windows[0].start, moved.windows[0].end))
    for window in moved.windows:
        seconds = moved.answers.seconds_between(window.start, window.end)
        if seconds:
            of = Percentiles.of(seconds)
            rows.append((window.name, len(seconds), of.p50 * 1e3, of.p99 * 1e3, of.p99 / at_rest.p99))
    failures = moved.answers.failures
    return Table(
        title="Queries meanwhile, one after the other, in milliseconds",
        columns=("while", "queries", "p50", "p99", "p99 to that at rest"),
        rows=rows,
        note=f"{len(moved.answers.asked):,} queries, each the text of an item; {len(failures)} failed or did not "
        f"find it{_first(failures)}. Aims: none; p99 at most twice that at rest.",
    )


def _content_table(compared: _Compared, moved: _Moved) -> Table:
    new, own, expected = compared.shadow, compared.own, compared.expected
    failures = moved.changes.failures
    return Table(
        title=f"Afterwards, of {len(expected):,} items",
        columns=("what", "count or figure"),
        rows=[
            ("lost", len(expected.keys() - new.texts.keys())),
            ("too many", len(new.texts.keys() - expected.keys())),
            ("twice", new.twice),
            ("of another text", sum(new.texts.get(item_id, text) != text for item_id, text in expected.items())),
            (
                "of another version than in the old index",
                _differing(new, own),
            ),
            (
                "largest difference of vectors to those of a fresh collection, in millionths",
                largest_difference(new, compared.fresh) * 1e6,
            ),
            ("share of answers in common with a fresh collection", compared.overlap),
        ],
        note=f"{moved.changes.made:,} changes came in meanwhile, of which {len(failures)} failed{_first(failures)}. "
        "Aims: nothing lost, too many or twice; differences under 10 millionths; the same answers.",
    )


def _differing(one: IndexContent, other: IndexContent) -> int:
    return sum(one.versions.get(item_id) != version for item_id, version in other.versions.items())


def _rate_table(filled: Filled, filled_again: Filled, back: RunReport) -> Table:
    task = _task(back, "fill")
    rate = filled_again.items / _seconds(task)
    return Table(
        title="Items a second with nothing else going on",
        columns=("way", "items/s", "ratio to the first"),
        rows=[
            ("put, the default model", filled.rate, 1.0),
            ("put, the rotated model", filled_again.rate, filled_again.rate / filled.rate),
            ("embedded anew by the default model", rate, rate / filled.rate),
        ],
        note="Put: from the first request until all are searchable. Anew: step `fill`, from its start until a "
        "comparison found nothing missing. Aim: 0.85 of the first.",
    )


def _times_table(moved: _Moved) -> Table:
    rows = [(task.name, _seconds(task)) for task in moved.report.tasks if task.started_at and task.ended_at]
    return Table(
        title="Steps of the migration under load, in seconds",
        columns=("step", "seconds"),
        rows=[*rows, ("going back", moved.rollback_seconds)],
        note="Aim: going back in less than one.",
    )


def _task(report: RunReport, name: str) -> TaskReport:
    return next(task for task in report.tasks if task.name == name)


def _seconds(task: TaskReport) -> float:
    assert task.started_at is not None, "it has begun"
    assert task.ended_at is not None, "it has ended"
    return (task.ended_at - task.started_at).total_seconds()


def _first(failures: Sequence[str]) -> str:
    return f", such as: {failures[0]}" if failures else ""


BENCHMARK = Benchmark("migration", measure)

if __name__ == "__main__":
    main(BENCHMARK)
