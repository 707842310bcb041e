"""`sightwire pipelines submit|run|runs|status|cancel|pause|resume|retry`: asks the orchestrator over the bus."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeVar

import typer

from sightwire.cli.bus import with_bus
from sightwire.cli.operation_output import ProgressLine
from sightwire.cli.options import AsJson, DataDir
from sightwire.cli.output import notices, print_json, print_table, time_text
from sightwire.contracts.pipelines import PipelineRunState
from sightwire.errors import InvalidInputError
from sightwire_orchestrator.commands.pipeline_output import print_run, run_progress

if TYPE_CHECKING:
    from pydantic import JsonValue

    from sightwire.bus.connection import Bus
    from sightwire.bus.pipelines import PipelinesClient
    from sightwire.contracts.pipeline_control import PipelineList, PipelineSummary, RunList, RunReport

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Id of the run.")]
Wait = Annotated[bool, typer.Option("--wait", "-w", help="Wait for the end; exit with 1 unless the run succeeds.")]

Answer = TypeVar("Answer")
_POLL_SECONDS: Final = 0.5


def submit(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Definition in YAML or JSON.", exists=True, dir_okay=False)
    ],
    any_type: Annotated[
        bool, typer.Option("--any-type", help="Take types of tasks that only workers elsewhere know.")
    ] = False,
    data_dir: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Store a definition. A version, once stored, never changes; the same definition again changes nothing."""
    from sightwire.contracts.pipeline_control import SubmitPipeline

    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"cannot read {file}: {error}") from error

    async def ask(client: "PipelinesClient") -> "PipelineSummary":
        return await client.submit(SubmitPipeline(definition=text, origin=str(file), any_type=any_type))

    summary = asked(data_dir, ask)
    if as_json:
        print_json(summary)
    else:
        typer.echo(f"stored {summary.name} {summary.version}, {summary.tasks} tasks")


def list_pipelines(data_dir: DataDir = Path("data"), as_json: AsJson = False) -> None:
    """List the newest version of each stored pipeline."""

    async def ask(client: "PipelinesClient") -> "PipelineList":
        return await client.pipelines()

    answer = asked(data_dir, ask)
    if as_json:
        print_json(answer)
        return
    rows = (
        (stored.name, stored.version, stored.number, stored.tasks, time_text(stored.registered_at), stored.description)
        for stored in answer.pipelines
    )
    print_table(("name", "version", "number", "tasks", "stored", "description"), rows)


def run(
    pipeline: Annotated[str, typer.Argument(metavar="NAME", help="Name of a stored pipeline.")],
    version: Annotated[str | None, typer.Option(help="Its version. [default: the newest]")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", "-s", metavar="NAME=VALUE", help="A parameter, its value in YAML; may be repeated."),
    ] = None,
    run_id: Annotated[str | None, typer.Option("--run", "-r", help="Id of the run. [default: any]")] = None,
    wait: Wait = False,
    data_dir: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Begin a run of a pipeline."""
    from sightwire.contracts.pipeline_control import StartRun

    parameters = dict(parameter(text) for text in set_ or ())
    request = StartRun(pipeline=pipeline, version=version, parameters=parameters, run=run_id)

    async def ask(client: "PipelinesClient") -> "RunReport":
        report = await client.start(request)
        return await _end_of(client, report.run, silent=as_json) if wait else report

    _show(asked(data_dir, ask), as_json=as_json, must_succeed=wait)


def runs(
    pipeline: Annotated[str | None, typer.Option("--pipeline", "-p", help="Only runs of this pipeline.")] = None,
    state: Annotated[list[PipelineRunState] | None, typer.Option(help="Only runs in this state; repeatable.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50,
    data_dir: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """List runs, the newest first."""
    from sightwire.contracts.pipeline_control import ListRuns

    request = ListRuns(pipeline=pipeline, states=tuple(state or ()), limit=limit)

    async def ask(client: "PipelinesClient") -> "RunList":
        return await client.runs(request)

    answer = asked(data_dir, ask)
    if as_json:
        print_json(answer)
        return
    rows = (
        (run.id, run.pipeline, run.version, run.state, time_text(run.started_at), time_text(run.ended_at))
        for run in answer.runs
    )
    print_table(("run", "pipeline", "version", "state", "started", "ended"), rows)


def status(run_id: RunArgument, wait: Wait = False, data_dir: DataDir = Path("data"), as_json: AsJson = False) -> None:
    """Show how a run and its tasks stand."""

    async def ask(client: "PipelinesClient") -> "RunReport":
        return await _end_of(client, run_id, silent=as_json) if wait else await client.run(run_id)

    _show(asked(data_dir, ask), as_json=as_json, must_succeed=wait)


def cancel(
    run_id: RunArgument,
    reason: Annotated[str, typer.Option(help="Why; kept with the run.")] = "",
    data_dir: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """End a run at once; its running tasks are cancelled."""
    _steer(run_id, "cancel", data_dir, as_json=as_json, reason=reason)


def pause(run_id: RunArgument, data_dir: DataDir = Path("data"), as_json: AsJson = False) -> None:
    """Begin nothing more of a run; tasks that run go on."""
    _steer(run_id, "pause", data_dir, as_json=as_json)


def resume(run_id: RunArgument, data_dir: DataDir = Path("data"), as_json: AsJson = False) -> None:
    """End the pause of a run."""
    _steer(run_id, "resume", data_dir, as_json=as_json)


def retry(run_id: RunArgument, data_dir: DataDir = Path("data"), as_json: AsJson = False) -> None:
    """Go on with a failed or cancelled run; what succeeded is kept."""
    _steer(run_id, "retry", data_dir, as_json=as_json)


def _steer(
    run_id: str,
    action: Literal["pause", "resume", "cancel", "retry"],
    data_dir: Path,
    *,
    as_json: bool,
    reason: str = "",
) -> None:
    from sightwire.contracts.pipeline_control import SteerRun

    async def ask(client: "PipelinesClient") -> "RunReport":
        return await client.steer(SteerRun(run=run_id, action=action, by="cli", reason=reason))

    _show(asked(data_dir, ask), as_json=as_json, must_succeed=False)


async def _end_of(client: "PipelinesClient", run_id: str, *, silent: bool) -> "RunReport":
    line = ProgressLine(notices)
    try:
        while True:
            report = await client.run(run_id)
            if report.state.is_final:
                return report
            if not silent:
                line.show_text(*run_progress(report))
            await asyncio.sleep(_POLL_SECONDS)
    finally:
        line.clear()


def asked(data_dir: Path, ask: "Callable[[PipelinesClient], Awaitable[Answer]]") -> Answer:
    """What the orchestrator answers over the bus."""

    async def act(bus: "Bus") -> Answer:
        from sightwire.bus.pipelines import PipelinesClient

        return await ask(PipelinesClient(bus))

    return with_bus(data_dir, act)


def _show(report: "RunReport", *, as_json: bool, must_succeed: bool) -> None:
    if as_json:
        print_json(report)
    else:
        print_run(report)
    if must_succeed and report.state is not PipelineRunState.SUCCEEDED:
        raise typer.Exit(1)


def parameter(text: str) -> "tuple[str, JsonValue]":
    """Name and value of an option `NAME=VALUE`, the value in YAML.

    Raises:
        InvalidInputError: it is something else.
    """
    from pydantic import JsonValue, TypeAdapter, ValidationError
    from yaml import YAMLError, safe_load

    name, separator, value = text.partition("=")
    if not separator or not name:
        raise InvalidInputError(f"expected NAME=VALUE, got {text!r}")
    try:
        json_value: TypeAdapter[JsonValue] = TypeAdapter(JsonValue)
        return name, json_value.validate_python(safe_load(value))
    except (YAMLError, ValidationError) as error:
        raise InvalidInputError(f"the value of {name!r} is no JSON value: {error}") from None
