"""`sightwire train`: trains a model as a configuration file says, and makes a bundle of it."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml

from sightwire.cli.options import AsJson
from sightwire.cli.output import notices, print_json, print_members
from sightwire.errors import InvalidInputError
from sightwire_trainer.laying_over import lay_over

if TYPE_CHECKING:
    from sightwire_trainer.configuration import TrainingConfiguration
    from sightwire_trainer.training.outcome import TrainingOutcome
    from sightwire_trainer.training.progress import TrainingListener


def train(
    configuration: Annotated[Path, typer.Argument(metavar="CONFIG.yaml", help="What to train, on what, and how.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the run.", file_okay=False)],
    resume: Annotated[
        bool | None,
        typer.Option(
            "--resume/--fresh",
            help="Go on where the run in the folder ended, or delete its checkpoints and begin anew. "
            "Without either, a run goes on if there is one.",
            show_default=False,
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY.PATH=VALUE", help="Another value for one key; may be repeated."),
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Folder that keeps what was fetched from collections.", file_okay=False)
    ] = None,
    export: Annotated[bool, typer.Option("--export/--no-export", help="Make a bundle of the best weights.")] = True,
    as_json: AsJson = False,
) -> None:
    """Train a model, and make a model bundle of its best weights. Exits with 3 when it was interrupted.

    Ctrl-C or SIGTERM ends it after a checkpoint; the same command goes on from there. Several GPUs or processes:
    torchrun --nproc-per-node N -m sightwire.cli train …
    """
    from sightwire_trainer.training.interruption import cancelled_by_signals
    from sightwire_trainer.training.result import export_result
    from sightwire_trainer.training.run import train as train_model

    chosen = configuration_with(configuration, set_ or ())
    if resume and not (out / "checkpoints").is_dir():
        raise InvalidInputError(f"there is no run in {out} to go on with; leave --resume out to begin one")
    with cancelled_by_signals() as cancelled:
        outcome = train_model(
            chosen, out, listener=_listener(), cancelled=cancelled, fresh=resume is False, cache=cache
        )
    if not _is_first_process():
        return
    bundle = export_result(chosen, outcome) if export and outcome.state == "completed" else None
    _print(outcome, bundle, as_json=as_json)
    if outcome.state != "completed":
        raise typer.Exit(3)


def configuration_with(path: Path, changes: list[str] | tuple[str, ...]) -> "TrainingConfiguration":
    """The configuration in a YAML file with `KEY.PATH=VALUE` laid over it; values are YAML.

    Raises:
        InvalidInputError: the file or a change does not describe a run; the message says where.
    """
    from sightwire_trainer.configuration import parse_configuration, read_content

    content = read_content(path.resolve())
    for change in changes:
        _lay_over(content, change)
    return parse_configuration(content, base=path.resolve().parent, name=str(path))


def _lay_over(content: Any, change: str) -> None:
    key, separator, text = change.partition("=")
    if not separator or not all(key.split(".")):
        raise InvalidInputError(f"expected --set KEY.PATH=VALUE, such as optimiser.head_rate=0.002, got {change!r}")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise InvalidInputError(f"--set {change}: expected a value as in YAML, got {text!r}") from None
    lay_over(content, key, value)


def _listener() -> "TrainingListener | None":
    from sightwire_trainer.training.listeners.terminal import TerminalProgress

    return TerminalProgress(notices) if notices.is_terminal else None


def _is_first_process() -> bool:
    return os.environ.get("RANK", "0") == "0"


def _print(outcome: "TrainingOutcome", bundle: Path | None, *, as_json: bool) -> None:
    report = {
        "state": str(outcome.state),
        "steps": outcome.steps,
        "epochs": outcome.epochs,
        "best_step": outcome.best_step,
        "stopped_early": outcome.stopped_early or None,
        "seconds": round(outcome.seconds, 1),
        "folder": str(outcome.folder),
        "bundle": str(bundle) if bundle else None,
    }
    if as_json:
        print_json(report | {"measures": outcome.measures})
        return
    print_members(report | {name: round(value, 4) for name, value in sorted(outcome.measures.items())})
