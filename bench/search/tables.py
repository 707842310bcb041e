"""The tables of a comparison. Pure functions of its results."""

from collections.abc import Sequence
from typing import Final

from bench.report import NONE, Cell, Table
from bench.search.results import Comparison, EngineResult, LoopResult

_CLIENTS: Final = (1, 16)
#: Sightwire's own, with one searcher and with two.
OWN_ENGINES: Final = ("sightwire", "sightwire-two")


def tables(comparison: Comparison) -> list[Table]:
    """One for each number of vectors and selectivity, then building and memory, aims, and the merges' cost."""
    made = []
    for vectors in comparison.sizes():
        engines = comparison.of_size(vectors)
        percents = sorted({loop.percent for engine in engines for loop in engine.loops}, reverse=True)
        made += [_searching(comparison, engines, percent) for percent in percents]
        made.append(_building(engines))
        own = [engine for engine in engines if engine.engine in OWN_ENGINES and engine.loops]
        others = [engine for engine in engines if engine.engine not in OWN_ENGINES]
        made += [aims for engine in own if (aims := _aims(engine, others, percents)).rows]
    if len(comparison.sizes()) > 1:
        made.append(_by_size(comparison))
    if comparison.merges:
        made.append(_merging(comparison))
    return made


def _searching(comparison: Comparison, engines: Sequence[EngineResult], percent: int) -> Table:
    rows: list[list[Cell]] = []
    missing: list[str] = []
    for engine in engines:
        loops = [engine.loop(percent, clients) for clients in _CLIENTS]
        first = next((loop for loop in loops if loop is not None), None)
        if first is None:
            reason = engine.failure or "it knows no filters"
            missing.append(f"{engine.label}: {reason}.")
            rows.append([engine.label, engine.kind, *[NONE] * 8, engine.before.load_average])
            continue
        figures = [figure for loop in loops for figure in _figures(loop)]
        rows.append([engine.label, engine.kind, first.effort, first.recall, *figures, engine.before.load_average])
    first_engine = engines[0]
    title = f"{first_engine.vectors:,} vectors of {first_engine.dimension} ({comparison.task})"
    columns = [f"{name}, {clients}" for clients in _CLIENTS for name in ("q/s", "p50 ms", "p99 ms")]
    return Table(
        title=f"{title}, {percent}% may be found",
        columns=("engine", "kind", "effort", "recall@10", *columns, "load before"),
        rows=rows,
        note=" ".join(["Columns of figures: for 1 client, for 16 clients.", *missing]),
    )


def _figures(loop: LoopResult | None) -> list[Cell]:
    return [NONE] * 3 if loop is None else [loop.queries_per_second, loop.p50_ms, loop.p99_ms]


def _building(engines: Sequence[EngineResult]) -> Table:
    return Table(
        title=f"Building, inserting, memory ({engines[0].vectors:,} vectors)",
        columns=(
            "engine",
            "build s",
            "vectors/s",
            "inserts/s",
            "resident MB",
            "of the vectors' bytes",
            "q/s, as many as possible",
            "load before",
            "after",
        ),
        rows=[
            (
                engine.label,
                *_one(engine.build_seconds, 1),
                *_one(engine.build_seconds and engine.vectors / engine.build_seconds, 1),
                *_one(engine.inserts_per_second, 1),
                *_one(engine.resident_bytes, 1e6),
                *_one(engine.resident_bytes, engine.vectors * engine.dimension * 4),
                *_one(engine.flood_queries_per_second, 1),
                engine.before.load_average,
                engine.after.load_average,
            )
            for engine in engines
        ],
        note="Inserts go into the finished index and count until they can be found. As many as possible: batches of "
        "all queries for FAISS, calls with 256 queries for Sightwire, 64 clients for the others.",
    )


def _one(value: float | None, unit: float) -> tuple[Cell]:
    return (NONE,) if value is None else (value / unit,)


def _aims(own: EngineResult, others: Sequence[EngineResult], percents: Sequence[int]) -> Table:
    """Sightwire's rates and latencies over those that they are held against."""
    by_name = {engine.engine: engine for engine in others}
    servers = [engine for engine in others if engine.kind == "server"]
    rows: list[tuple[Cell, ...]] = []
    for percent in percents:
        for clients in _CLIENTS:
            rows += _over_servers(own, servers, percent, clients)
    if bare := by_name.get("bare-grpc"):
        rows += [row for clients in _CLIENTS for row in _over(own, bare, 100, clients)]
    batches = by_name.get("faiss")
    if batches and batches.flood_queries_per_second and own.flood_queries_per_second:
        ratio = own.flood_queries_per_second / batches.flood_queries_per_second
        rows.append(("queries a second, as many as possible, over FAISS in batches", ratio, "at least 0.85"))
    return Table(title=f"{own.label} over the others", columns=("what", "ratio", "aim"), rows=rows)


def _over_servers(
    own: EngineResult, servers: Sequence[EngineResult], percent: int, clients: int
) -> list[tuple[Cell, ...]]:
    mine = own.loop(percent, clients)
    theirs = [(server.label, loop) for server in servers if (loop := server.loop(percent, clients)) is not None]
    if mine is None or not theirs:
        return []
    best, fastest = max(theirs, key=lambda pair: pair[1].queries_per_second)
    calmest, shortest = min(theirs, key=lambda pair: pair[1].p99_ms)
    what = f"{percent}% may be found, {_clients(clients)}"
    return [
        (
            f"{what}: queries a second over {best}",
            mine.queries_per_second / fastest.queries_per_second,
            "at least 2.2",
        ),
        (f"{what}: p99 over {calmest}", mine.p99_ms / shortest.p99_ms, "at most 0.33"),
    ]


def _over(own: EngineResult, other: EngineResult, percent: int, clients: int) -> list[tuple[Cell, ...]]:
    mine, theirs = own.loop(percent, clients), other.loop(percent, clients)
    if mine is None or theirs is None:
        return []
    ratio = mine.queries_per_second / theirs.queries_per_second
    return [(f"queries a second, {_clients(clients)}, over {other.label}", ratio, "at least 0.9")]


def _clients(count: int) -> str:
    return "1 client" if count == 1 else f"{count} clients"


def _by_size(comparison: Comparison) -> Table:
    rows: list[list[Cell]] = []
    for name in dict.fromkeys(engine.engine for engine in comparison.engines):
        for engine in comparison.engines:
            if engine.engine != name:
                continue
            one, many = engine.loop(100, 1), engine.loop(100, 16)
            build = engine.build_seconds and 1e3 * engine.build_seconds / engine.vectors
            resident = engine.resident_bytes and engine.resident_bytes / engine.vectors
            figures: list[Cell] = [*_figures(one)[::2], *_figures(many)[::2]]
            rows.append([engine.label, engine.vectors, *figures, *_one(build, 1), *_one(resident, 1)])
    return Table(
        title="The same by number of vectors, all may be found",
        columns=(
            "engine",
            "vectors",
            "q/s, 1",
            "p99 ms, 1",
            "q/s, 16",
            "p99 ms, 16",
            "build ms a vector",
            "resident bytes a vector",
        ),
        rows=rows,
        note="More vectors than the corpus has are perturbed copies.",
    )


def _merging(comparison: Comparison) -> Table:
    return Table(
        title="What merging costs, all items sent at once",
        columns=("items", "CPU s of merges", "CPU ms an item", "s until all is merged", "segments left", "load before"),
        rows=[
            (
                cost.items,
                cost.merge_cpu_seconds,
                cost.milliseconds_per_item,
                cost.seconds,
                cost.segments,
                cost.before.load_average,
            )
            for cost in comparison.merges
        ],
    )
