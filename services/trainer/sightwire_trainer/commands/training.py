"""`sightwire training`: runs of the trainer service."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sightwire.cli.bus import ACCESS, with_bus
from sightwire.cli.options import AsJson, DataDir
from sightwire.cli.output import print_json, print_members, print_table, time_text

if TYPE_CHECKING:
    from sightwire.bus.connection import Bus
    from sightwire.contracts.training import TrainingProgress, TrainingRun

app = typer.Typer(
    help=f"Ask the trainer service for runs, list and cancel them. {ACCESS}",
    no_args_is_help=True,
    rich_markup_mode=None,
)

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Name of the run.")]
_SHOWN_MEASURE = "text_to_image_recall_at_1"


@app.command("request")
def request(
    config: Annotated[Path, typer.Argument(metavar="CONFIG.yaml", help="What to train, on what, and how.")],
    run: Annotated[str | None, typer.Option("--run", "-r", help="Name of the run; default: the bundle's.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY.PATH=VALUE", help="Another value for one key; may be repeated."),
    ] = None,
    data_dir: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Ask for a run, or for a cancelled or failed one to go on.

    Paths are sent as they are on this machine, whole; the trainer must see the same files there.
    """
    from sightwire.bus.training_requests import request_run
    from sightwire_trainer.commands.train import configuration_with
    from sightwire_trainer.training.naming import run_name

    configuration = configuration_with(config, set_ or ())
    name = run or run_name(configuration)

    async def ask(bus: "Bus") -> None:
        await request_run(bus, name, configuration.model_dump(mode="json"), source="cli")

    with_bus(data_dir, ask)
    if as_json:
        print_json({"run": name})
    else:
        typer.echo(f"requested {name}")


@app.command("runs")
def runs(data_dir: DataDir = Path("data"), as_json: AsJson = False) -> None:
    """List runs, the last asked for first."""

    async def read(bus: "Bus") -> "list[TrainingRun]":
        from sightwire.bus.training_runs import list_runs

        return await list_runs(bus)

    summaries = with_bus(data_dir, read)
    if as_json:
        print_json(summaries)
        return
    columns = ("run", "state", "step", "of", "loss", "recall@1", "minutes left", "at", "bundle or reason")
    print_table(columns, (_row(summary) for summary in summaries))


@app.command("cancel")
def cancel(run: RunArgument, data_dir: DataDir = Path("data"), as_json: AsJson = False) -> None:
    """Cancel a run: it ends after a checkpoint, or is not begun with; asked for again it goes on."""

    async def ask(bus: "Bus") -> "TrainingProgress | None":
        from sightwire.bus.training_requests import cancel_run

        return await cancel_run(bus, run, source="cli")

    progress = with_bus(data_dir, ask)
    document = {"run": run, "step": progress.step if progress else 0, "steps": progress.steps if progress else None}
    if as_json:
        print_json(document)
    else:
        print_members(document)


def _row(summary: "TrainingRun") -> list[object]:
    recall = summary.measures.get(_SHOWN_MEASURE)
    return [
        summary.run,
        summary.state,
        summary.step,
        summary.steps,
        None if summary.loss is None else f"{summary.loss:.3f}",
        None if recall is None else f"{recall:.3f}",
        None if summary.seconds_left is None else f"{summary.seconds_left / 60:.0f}",
        time_text(summary.at),
        summary.reason or summary.bundle,
    ]
