"""An evaluation as a JSON document and as Markdown."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any, Final

from sightwire_trainer.evaluation.comparison import Comparison, QueryDuel
from sightwire_trainer.evaluation.evaluation import Evaluation, ModelResults
from sightwire_trainer.evaluation.index_search import IndexReport
from sightwire_trainer.evaluation.intervals import Interval
from sightwire_trainer.evaluation.measures import MEDIAN_RANK
from sightwire_trainer.evaluation.model import TaskResult

#: Queries of each kind that the Markdown report names; the JSON document has all.
_NAMED_DUELS: Final = 15
_HEADINGS: Final = {
    "recall_at_1": "R@1",
    "recall_at_5": "R@5",
    "recall_at_10": "R@10",
    "mean_reciprocal_rank": "MRR",
    "mean_average_precision": "mAP",
    "ndcg_at_10": "nDCG@10",
    MEDIAN_RANK: "median rank",
}


def json_document(evaluation: Evaluation) -> dict[str, Any]:
    """Everything, wins and losses of all queries included."""
    return {
        "bootstrap": asdict(evaluation.bootstrap),
        "models": [_model_document(model) for model in evaluation.models],
        "comparisons": [_comparison_document(comparison) for comparison in evaluation.comparisons],
        "through_index": [_index_document(report) for report in evaluation.through_index],
    }


def markdown_report(evaluation: Evaluation, *, sheet: str | None = None) -> str:
    """Tables of all measures, and who wins what; `sheet` is the picture to show, relative to the report."""
    names = " against ".join(model.name for model in evaluation.models)
    options = evaluation.bootstrap
    lines = [f"# {names}", ""]
    if options.resamples:
        lines += [
            f"In brackets: where the measure lies with {options.confidence:.0%} confidence for other queries of the "
            f"same kind ({options.resamples:,} bootstrap resamples of the queries).",
            "",
        ]
    for number, result in enumerate(evaluation.models[0].results):
        lines += [f"## {_title(result)}", "", *_measures_table(evaluation, number), ""]
        if evaluation.comparisons:
            lines += _comparison_lines(evaluation.comparisons[number], evaluation.models)
        if evaluation.through_index:
            lines += _index_lines(evaluation.through_index[number])
    if sheet is not None:
        lines += [f"![Queries and their first answers; right ones are framed in green]({sheet})", ""]
    return "\n".join(lines)


def measure_rows(evaluation: Evaluation) -> Iterable[list[str]]:
    """A row a task and model: task, model, queries, candidates, then each measure with its interval."""
    for number, result in enumerate(evaluation.models[0].results):
        for model in evaluation.models:
            report = model.results[number].report
            task = f"{result.task.direction.words}, {result.task.dataset}"
            yield [
                task,
                model.name,
                str(report.queries),
                str(report.candidates),
                *_measure_cells(model.results[number]),
            ]


def measure_headings() -> list[str]:
    """Headings of `measure_rows`."""
    return ["task", "model", "queries", "candidates", *_HEADINGS.values()]


def _model_document(model: ModelResults) -> dict[str, Any]:
    return {
        "name": model.name,
        "tasks": [
            {
                "direction": str(result.task.direction),
                "dataset": result.task.dataset,
                "queries": result.report.queries,
                "candidates": result.report.candidates,
                "measures": result.report.measures,
                "intervals": _intervals_document(result.report.intervals),
            }
            for result in model.results
        ],
    }


def _comparison_document(comparison: Comparison) -> dict[str, Any]:
    return {
        "direction": str(comparison.task.direction),
        "dataset": comparison.task.dataset,
        "differences": _intervals_document(comparison.differences),
        "wins": [asdict(duel) for duel in comparison.wins],
        "losses": [asdict(duel) for duel in comparison.losses],
        "ties": [asdict(duel) for duel in comparison.ties],
    }


def _index_document(report: IndexReport) -> dict[str, Any]:
    return {
        "depth": report.depth,
        "measures": report.by_query.summary(),
        "differences": _intervals_document(report.differences),
        "overlap_at_10": report.overlap_at_10,
    }


def _intervals_document(intervals: dict[str, Interval]) -> dict[str, dict[str, float]]:
    return {name: asdict(interval) for name, interval in intervals.items()}


def _title(result: TaskResult) -> str:
    report = result.report
    task = result.task
    return f"{task.direction.words}, {task.dataset}: {report.queries:,} queries, {report.candidates:,} candidates"


def _measures_table(evaluation: Evaluation, number: int) -> list[str]:
    rows = [[model.name, *_measure_cells(model.results[number])] for model in evaluation.models]
    if evaluation.comparisons:
        differences = evaluation.comparisons[number].differences
        rows.append(["difference", *(_difference_text(name, differences[name]) for name in _HEADINGS)])
    return _table(["model", *_HEADINGS.values()], rows)


def _comparison_lines(comparison: Comparison, models: Sequence[ModelResults]) -> list[str]:
    first, second = (model.name for model in models)
    lines = [
        f"Of {len(comparison.task.queries):,} queries {first} answers {len(comparison.wins):,} better, "
        f"{len(comparison.losses):,} worse, {len(comparison.ties):,} alike. Differences in bold are more than chance.",
        "",
    ]
    for title, duels in (("Wins", comparison.wins), ("Losses", comparison.losses), ("Ties", comparison.ties)):
        if duels:
            shown = f"{title}, the largest first" if title != "Ties" else "Ties, the best ranks first"
            rows = [_duel_cells(duel) for duel in duels[:_NAMED_DUELS]]
            lines += [f"### {shown}", "", *_table(["query", f"rank in {first}", f"rank in {second}"], rows), ""]
    return lines


def _index_lines(report: IndexReport) -> list[str]:
    cells = [_difference_text(name, report.differences[name]) for name in _HEADINGS]
    return [
        f"Through the index, asked for {report.depth} answers, it finds {report.overlap_at_10:.1%} of the exact ten "
        "nearest; the measures change by:",
        "",
        *_table(list(_HEADINGS.values()), [cells]),
        "",
    ]


def _duel_cells(duel: QueryDuel) -> list[str]:
    return [duel.label, f"{duel.first_rank:g}", f"{duel.second_rank:g}"]


def _measure_cells(result: TaskResult) -> list[str]:
    measures, intervals = result.report.measures, result.report.intervals
    return [
        f"{_number(name, measures[name])}{_bounds(name, intervals[name]) if intervals else ''}" for name in _HEADINGS
    ]


def _difference_text(name: str, difference: Interval) -> str:
    text = f"{_number(name, difference.value, sign='+')}{_bounds(name, difference, sign='+')}"
    return f"**{text}**" if difference.excludes_zero else text


def _bounds(name: str, interval: Interval, sign: str = "") -> str:
    return f" [{_number(name, interval.low, sign)}, {_number(name, interval.high, sign)}]"


def _number(name: str, value: float, sign: str = "") -> str:
    return format(value, f"{sign}.1f" if name == MEDIAN_RANK else f"{sign}.3f")


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"

    return [line(headings), line(["---"] * len(headings)), *(line(row) for row in rows)]
