"""`sightwire pipelines metrics|health`: what is counted of runs and tasks, and how the control plane's parts are."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sightwire.cli.options import AsJson, DataDir
from sightwire.cli.output import escaped, print_json, print_table, time_text
from sightwire_orchestrator.commands.pipeline_runs import asked
from sightwire_orchestrator.commands.requests import request_of

if TYPE_CHECKING:
    from sightwire.bus.pipelines import PipelinesClient
    from sightwire.contracts.execution_metrics import ControlPlaneHealth, ExecutionFigures, PipelineMetrics

_FIGURES = ("ended", "succeeded", "failed", "success", "a minute", "min", "mean", "p50", "p95", "p99", "max")


def metrics(
    pipeline: Annotated[str, typer.Argument(metavar="NAME", help="Name of a stored pipeline.")],
    hours: Annotated[float, typer.Option(min=1 / 60, help="Count what ended within so many hours.")] = 1.0,
    history: Annotated[bool, typer.Option("--history", help="Show how it went over that time, too.")] = False,
    task: Annotated[str | None, typer.Option(help="Let the history be of the attempts of this task.")] = None,
    data_dir: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Show counts, success rates and durations in seconds of a pipeline's runs, and of the attempts of each task."""
    from sightwire.contracts.pipeline_control import ReadMetrics

    request = request_of(ReadMetrics, pipeline=pipeline, seconds=hours * 3600, task=task)

    async def ask(client: "PipelinesClient") -> "PipelineMetrics":
        return await client.metrics(request)

    answer = asked(data_dir, ask)
    if as_json:
        print_json(answer)
        return
    print_table(("", *_FIGURES), _rows(answer))
    if history or task is not None:
        points = ((time_text(point.at), *_cells(point.attempts or point.runs)) for point in answer.history)
        print_table(("since", *_FIGURES), points)


def health(data_dir: DataDir = Path("data"), as_json: AsJson = False) -> None:
    """Show how pipelines, models, the cache and the reviewers are. Exits with 1 when one of them is failing."""

    async def ask(client: "PipelinesClient") -> "ControlPlaneHealth":
        return await client.health()

    components = asked(data_dir, ask).components
    if as_json:
        print_json(components)
    else:
        rows = ((each.name, each.kind, each.state, escaped(each.detail)) for each in components)
        print_table(("name", "kind", "state", "detail"), rows)
    if any(each.state == "failing" for each in components):
        raise typer.Exit(1)


def _rows(answer: "PipelineMetrics") -> Iterator[list[object]]:
    yield ["runs", *_cells(answer.runs)]
    for task, figures in answer.tasks.items():
        yield [task, *_cells(figures)]


def _cells(figures: "ExecutionFigures") -> list[object]:
    seconds = figures.seconds
    durations: list[object] = [None] * 6
    if seconds is not None:
        values = (seconds.minimum, seconds.mean, seconds.p50, seconds.p95, seconds.p99, seconds.maximum)
        durations = [f"{value:.3g}" for value in values]
    rate = None if figures.success_rate is None else f"{figures.success_rate:.1%}"
    return [figures.count, figures.succeeded, figures.failed, rate, f"{figures.throughput * 60:.3g}", *durations]
