"""What a plot of a comparison shows, without any drawing. Pure functions of its results."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.search.results import Comparison, EngineResult, LoopResult

#: What a panel shows of a loop.
Measure = Callable[[LoopResult], float]


@dataclass(frozen=True, slots=True)
class Row:
    """An engine in a panel: a value for one client and one for many, where they were measured."""

    label: str
    engine: str
    one: float | None
    many: float | None


@dataclass(frozen=True, slots=True)
class Panel:
    """One measure at one selectivity, engines in the order of the catalogue."""

    title: str
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Line:
    """An engine's values by number of vectors, ascending."""

    label: str
    engine: str
    points: Sequence[tuple[int, float]]


def queries_per_second(loop: LoopResult) -> float:
    return loop.queries_per_second


def p99_milliseconds(loop: LoopResult) -> float:
    return loop.p99_ms


def panel(engines: Sequence[EngineResult], percent: int, measure: Measure, title: str) -> Panel:
    """The engines that were measured at this selectivity."""
    rows = []
    for engine in engines:
        one, many = (engine.loop(percent, clients) for clients in (1, 16))
        if one or many:
            label = f"{engine.label} (library)" if engine.kind == "library" else engine.label
            values = (None if each is None else measure(each) for each in (one, many))
            rows.append(Row(label, engine.engine, *values))
    return Panel(title, rows)


def lines(comparison: Comparison, value: Callable[[EngineResult], float | None]) -> list[Line]:
    """A line for each engine that has the value at more than one number of vectors."""
    made = []
    for name in dict.fromkeys(engine.engine for engine in comparison.engines):
        results = sorted((each for each in comparison.engines if each.engine == name), key=lambda each: each.vectors)
        points = [(each.vectors, found) for each in results if (found := value(each)) is not None]
        if len(points) > 1:
            made.append(Line(results[0].label, name, points))
    return made
