"""`sightwire pipelines`: check definitions of pipelines, look at them, store and run them."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sightwire.cli.bus import ACCESS
from sightwire.cli.options import AsJson
from sightwire.cli.output import print_json
from sightwire.errors import InvalidInputError
from sightwire_orchestrator.commands import pipeline_metrics, pipeline_runs

if TYPE_CHECKING:
    from sightwire.contracts.pipelines import PipelineDefinition
    from sightwire_orchestrator.tasks.registry import HandlerRegistry

app = typer.Typer(
    help=f"Check definitions of pipelines, store and run them. {ACCESS}",
    no_args_is_help=True,
    rich_markup_mode=None,
)

DefinitionFile = Annotated[
    Path, typer.Argument(metavar="FILE", help="Definition in YAML or JSON.", exists=True, dir_okay=False)
]
AnyType = Annotated[
    bool,
    typer.Option("--any-type", help="Take every type of task and any parameters, for handlers that are elsewhere."),
]


class Format(StrEnum):
    """How a definition is shown."""

    MERMAID = "mermaid"
    TEXT = "text"


@app.command("validate")
def validate(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Definitions in YAML or JSON.", exists=True, dir_okay=False)
    ],
    any_type: AnyType = False,
    as_json: AsJson = False,
) -> None:
    """Check definitions, and print each problem with its line and column. Exits with 1 when there is any."""
    from sightwire_orchestrator.definitions.errors import DefinitionError, path_text

    handlers = _handlers(any_type)
    problems = []
    for file in files:
        try:
            definition = _read(file, handlers)
        except DefinitionError as error:
            problems += [
                {
                    "file": str(file),
                    "line": problem.place and problem.place.line,
                    "column": problem.place and problem.place.column,
                    "path": path_text(problem.path),
                    "message": problem.message,
                }
                for problem in error.problems
            ]
            if not as_json:
                typer.echo(str(error))
        else:
            if not as_json:
                typer.echo(f"{file}: {definition.name} {definition.version}, {len(definition.tasks)} tasks")
    if as_json:
        print_json({"problems": problems})
    if problems:
        raise typer.Exit(1)


@app.command("show")
def show(
    file: DefinitionFile,
    form: Annotated[
        Format, typer.Option("--format", "-f", help="Lines of text, or a graph for Mermaid.")
    ] = Format.TEXT,
    any_type: AnyType = False,
) -> None:
    """Show the stages of a pipeline, or draw its graph."""
    from sightwire_orchestrator.definitions import drawing

    definition = _read(file, _handlers(any_type))
    draw = drawing.mermaid if form is Format.MERMAID else drawing.text
    typer.echo(draw(definition), nl=False)


app.command("submit")(pipeline_runs.submit)
app.command("list")(pipeline_runs.list_pipelines)
app.command("run")(pipeline_runs.run)
app.command("runs")(pipeline_runs.runs)
app.command("status")(pipeline_runs.status)
app.command("metrics")(pipeline_metrics.metrics)
app.command("health")(pipeline_metrics.health)
app.command("cancel")(pipeline_runs.cancel)
app.command("pause")(pipeline_runs.pause)
app.command("resume")(pipeline_runs.resume)
app.command("retry")(pipeline_runs.retry)


def _handlers(any_type: bool) -> "HandlerRegistry | None":
    if any_type:
        return None
    from sightwire_orchestrator.tasks.registry import HandlerRegistry

    handlers = HandlerRegistry.with_builtin_types()
    handlers.add_installed()
    return handlers


def _read(file: Path, handlers: "HandlerRegistry | None") -> "PipelineDefinition":
    from sightwire_orchestrator.definitions.reading import read_definition

    try:
        content = file.read_bytes()
    except OSError as error:
        raise InvalidInputError(f"cannot read {file}: {error.strerror or error}") from error
    return read_definition(content, origin=str(file), handlers=handlers)
