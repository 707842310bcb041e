"""Draws a comparison's results: `python -m bench.search.drawing FILE.json` writes FILE.svg and FILE.md beside it.

Runs in the peers' virtual environment, which has matplotlib; `python -m bench.search.comparison --redraw` finds it.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure

from bench.search.plot_data import Panel, lines, p99_milliseconds, panel, queries_per_second
from bench.search.results import Comparison, EngineResult
from bench.search.tables import OWN_ENGINES, tables
from bench.search.task import PERCENTS

_OWN_COLOUR: Final = "#c2410c"
_LIMIT_COLOUR: Final = "#6b7280"
_OTHER_COLOUR: Final = "#1d4ed8"
_LIMITS: Final = ("faiss", "bare-grpc")
_STYLE: Final = {
    "svg.hashsalt": "sightwire",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "x",
    "grid.color": "#e5e7eb",
    "figure.facecolor": "white",
}


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="Draws a comparison's results: FILE.svg and FILE.md.")
    parser.add_argument("results", type=Path, metavar="FILE.json")
    path = parser.parse_args().results
    comparison = Comparison.read(path)
    path.with_suffix(".md").write_text(_page(comparison, path.stem), encoding="utf-8")
    with mpl.rc_context(_STYLE):
        figure = _by_size(comparison) if len(comparison.sizes()) > 1 else _engines(comparison)
        # Without the date, so that the same results give the same file.
        figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})


def _page(comparison: Comparison, name: str) -> str:
    day = comparison.engines[0].before.at.date().isoformat()
    shown = "\n".join(table.markdown().replace("### ", "## ", 1) for table in tables(comparison))
    return (
        f"# Search: {comparison.task}\n"
        f"Drawn from [{name}.json]({name}.json) by `python -m bench.search.comparison --redraw`; how it was\n"
        f"measured is in [the benchmarks' page](README.md). Machine: {comparison.machine}; {day}.\n\n"
        f"![The same as a plot]({name}.svg)\n\n{shown}"
    )


def _engines(comparison: Comparison) -> Figure:
    (vectors,) = comparison.sizes()
    engines = comparison.of_size(vectors)
    measures = (("queries a second", queries_per_second), ("p99, milliseconds", p99_milliseconds))
    heights = [max(1, len(panel(engines, percent, queries_per_second, "").rows)) for percent in PERCENTS]
    figure = Figure(figsize=(11, 1.8 + 0.3 * sum(heights)), layout="constrained")
    axes = figure.subplots(len(PERCENTS), len(measures), height_ratios=heights, squeeze=False)
    for row, percent in enumerate(PERCENTS):
        what = "all may be found" if percent == 100 else f"{percent}% may be found"
        for column, (unit, measure) in enumerate(measures):
            _draw_panel(axes[row][column], panel(engines, percent, measure, f"{what}: {unit}"), names=column == 0)
    figure.suptitle(
        f"{vectors:,} vectors of {engines[0].dimension} ({comparison.task}), recall@10 of 0.95 or more; log scales\n"
        "hollow: 1 client, full: 16 clients"
    )
    return figure


def _draw_panel(axes: Any, shown: Panel, *, names: bool) -> None:
    positions = range(len(shown.rows))
    for position, row in zip(positions, shown.rows, strict=True):
        colour = _colour(row.engine)
        both = sorted(value for value in (row.one, row.many) if value is not None)
        axes.plot(both, [position] * len(both), color=colour, linewidth=1, alpha=0.5)
        for value, fill in ((row.one, "none"), (row.many, "full")):
            if value is not None:
                axes.plot(value, position, "o", color=colour, fillstyle=fill, markersize=6)
        # Outside of the two points, where they never meet.
        for value, side, alignment in ((both[0], -6, "right"), (both[-1], 6, "left")):
            axes.annotate(
                _short(value),
                (value, position),
                xytext=(side, 0),
                textcoords="offset points",
                ha=alignment,
                va="center",
                fontsize=7,
                color=colour,
            )
    axes.set_xscale("log")
    axes.set_title(shown.title, loc="left", fontsize=9)
    axes.set_yticks(list(positions), [row.label if names else "" for row in shown.rows])
    axes.set_ylim(len(shown.rows) - 0.4, -0.8)
    axes.margins(x=0.16)
    axes.xaxis.set_major_formatter(_tick)


def _by_size(comparison: Comparison) -> Figure:
    values: tuple[tuple[str, str, Callable[[EngineResult], float | None]], ...] = (
        ("queries a second, 1 client", "log", lambda result: _loop_rate(result, 1)),
        ("queries a second, 16 clients", "log", lambda result: _loop_rate(result, 16)),
        ("build, milliseconds a vector", "linear", _build_milliseconds),
    )
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    axes = figure.subplots(1, len(values))
    for each, (title, scale, value) in zip(axes, values, strict=True):
        for line in lines(comparison, value):
            sizes, found = zip(*line.points, strict=True)
            each.plot(sizes, found, "o-", color=_colour(line.engine), label=line.label, markersize=5)
        each.set_xscale("log")
        each.set_yscale(scale)
        if scale == "linear":
            each.set_ylim(bottom=0)
        else:
            each.yaxis.set_major_formatter(_tick)
        each.xaxis.set_major_formatter(_tick)
        each.set_title(title, loc="left", fontsize=9)
        each.set_xlabel("vectors")
        each.legend(frameon=False, fontsize=8)
    what = f"By number of vectors ({comparison.task}), all may be found, recall@10 of 0.95 or more"
    figure.suptitle(f"{what}; rates and sizes on log scales")
    return figure


def _loop_rate(result: EngineResult, clients: int) -> float | None:
    loop = result.loop(100, clients)
    return None if loop is None else loop.queries_per_second


def _build_milliseconds(result: EngineResult) -> float | None:
    return None if result.build_seconds is None else 1e3 * result.build_seconds / result.vectors


def _colour(engine: str) -> str:
    if engine in OWN_ENGINES:
        return _OWN_COLOUR
    return _LIMIT_COLOUR if engine in _LIMITS else _OTHER_COLOUR


def _tick(value: float, _position: int) -> str:
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


if __name__ == "__main__":
    main()
