"""`sightwire tune`: searches for hyperparameters of a training configuration, or of a vector index."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml

from sightwire.cli.options import AsJson
from sightwire.cli.output import notices, print_json, print_members, print_table
from sightwire.errors import InvalidInputError

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

    from sightwire_trainer.hyperparameters.base_configuration import BaseConfiguration
    from sightwire_trainer.hyperparameters.searching import CarryOut
    from sightwire_trainer.hyperparameters.space import IndexSpace, TrainingSpace

_SHOWN_TRIALS = 10


def tune(
    space: Annotated[Path, typer.Argument(metavar="SPACE.yaml", help="What is searched for, in which ranges.")],
    study: Annotated[
        Path, typer.Option("--study", "-s", help="File of the study: SQLite for .db, else a journal.", dir_okay=False)
    ],
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="Training configuration that is varied.", dir_okay=False)
    ] = None,
    trials: Annotated[int, typer.Option(min=1, help="Trials in all, earlier ones of the study counted.")] = 20,
    workers: Annotated[int, typer.Option(min=1, help="Trials at once, each in a process of its own.")] = 1,
    threads: Annotated[int | None, typer.Option(min=1, help="Cores of one trial; default: all, divided.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File for the best configuration; default: beside the study.")
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Folder that keeps what was fetched from collections.", file_okay=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Search for hyperparameters, and write the best configuration. Exits with 3 when it was interrupted.

    Ctrl-C or SIGTERM ends it; the same command goes on, with the trials that were running as well.
    """
    import optuna

    from sightwire_trainer.hyperparameters.space import TrainingSpace, read_space

    # What it tells of trials, this command tells by itself.
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    chosen = read_space(space)
    best_file = out or study.with_name(f"{study.stem}.best.yaml")
    if isinstance(chosen, TrainingSpace):
        if config is None:
            raise InvalidInputError(f"{space} varies a training configuration: name it with --config")
        each = threads or max(1, (os.cpu_count() or 1) // workers)
        finished = _tune_training(
            chosen, config, study, trials=trials, workers=workers, threads=each, cache=cache, best_file=best_file
        )
    else:
        if config is not None:
            raise InvalidInputError(f"{space} varies an index, which has no training configuration: leave --config out")
        if workers != 1:
            raise InvalidInputError("trials of an index measure time, so that only one can run: leave --workers out")
        finished = _tune_index(chosen, study, trials=trials, best_file=best_file)
    _print(chosen, finished, best_file, as_json=as_json)
    if finished.was_interrupted:
        raise typer.Exit(3)


class _Finished:
    """What a search has come to."""

    def __init__(self, study: "optuna.Study", *, was_interrupted: bool) -> None:
        from sightwire_trainer.hyperparameters.study import best_trial, finished_trials

        self.trials = finished_trials(study)
        self.best = best_trial(study)
        self.was_interrupted = was_interrupted


def _tune_training(
    space: "TrainingSpace",
    config: Path,
    file: Path,
    *,
    trials: int,
    workers: int,
    threads: int,
    cache: Path | None,
    best_file: Path,
) -> _Finished:
    from sightwire_trainer.hyperparameters.base_configuration import BaseConfiguration
    from sightwire_trainer.hyperparameters.study import opened_study
    from sightwire_trainer.hyperparameters.training_trials import TrainingTrials

    base = BaseConfiguration(config)
    base.require_fitting(space.parameters)
    described = base.configuration.model_dump(mode="json")
    with opened_study(file, space, base=described, epochs=base.configuration.epochs) as study:
        folder = file.with_name(f"{file.stem}-trials").absolute()
        carried_out = TrainingTrials(space, base, folder, threads=threads, cache=cache)
        finished = _search(
            study, carried_out.carry_out, space, trials=trials, workers=workers, interrupt=carried_out.interrupt
        )
    _write_best_training(finished, space, base, best_file)
    return finished


def _tune_index(space: "IndexSpace", file: Path, *, trials: int, best_file: Path) -> _Finished:
    from sightwire_trainer.hyperparameters.index_trials import (
        IndexTrials,
        content_digests,
        parameters_with,
        require_fitting,
    )
    from sightwire_trainer.hyperparameters.space import shown
    from sightwire_trainer.hyperparameters.study import opened_study

    require_fitting(space.fixed, space.parameters)
    with opened_study(file, space, base=content_digests(space), epochs=1) as study:
        carried_out = IndexTrials(space, file.with_name(f"{file.stem}-trials"))
        finished = _search(study, carried_out.carry_out, space, trials=trials, workers=1, interrupt=lambda: None)
    if finished.best is not None:
        parameters = parameters_with(space.fixed | shown(space.parameters, finished.best.params))
        _write(best_file, {"index": parameters.model_dump(mode="json")}, finished.best)
    return finished


def _search(
    study: "optuna.Study",
    carry_out: "CarryOut",
    space: "TrainingSpace | IndexSpace",
    *,
    trials: int,
    workers: int,
    interrupt: Callable[[], None],
) -> _Finished:
    from sightwire_trainer.hyperparameters.searching import search

    def told(trial: "FrozenTrial") -> None:
        notices.print(_line(space, trial), markup=False)

    async def searching(stopping: asyncio.Event) -> None:
        await search(study, carry_out, trials=trials, workers=workers, stopping=stopping, told=told)

    was_interrupted = asyncio.run(_until_asked_to_end(searching, interrupt))
    return _Finished(study, was_interrupted=was_interrupted)


async def _until_asked_to_end(work: Callable[[asyncio.Event], Awaitable[None]], interrupt: Callable[[], None]) -> bool:
    """Whether SIGTERM or Ctrl-C ended the work."""
    stopping = asyncio.Event()

    def stop() -> None:
        stopping.set()
        interrupt()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    await work(stopping)
    return stopping.is_set()


def _write_best_training(
    finished: _Finished, space: "TrainingSpace", base: "BaseConfiguration", best_file: Path
) -> None:
    from sightwire_trainer.hyperparameters.space import shown

    if finished.best is None:
        return
    best = base.with_values(shown(space.parameters, finished.best.params))
    _write(best_file, best.model_dump(mode="json"), finished.best)


def _write(file: Path, content: dict[str, Any], best: "FrozenTrial") -> None:
    comment = f"# The best of a search: trial {best.number}, with {best.value:.4f}.\n"
    file.write_text(comment + yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")


def _line(space: "TrainingSpace | IndexSpace", trial: "FrozenTrial") -> str:
    from sightwire_trainer.hyperparameters.space import shown
    from sightwire_trainer.hyperparameters.study import REASON

    figure = "" if trial.value is None else f" {trial.value:.4f}"
    values = "  ".join(f"{name}={value}" for name, value in shown(space.parameters, trial.params).items())
    reason = f": {trial.user_attrs[REASON]}" if REASON in trial.user_attrs else ""
    return f"trial {trial.number} {trial.state.name.lower()}{figure}  {values}{reason}"


def _print(space: "TrainingSpace | IndexSpace", finished: _Finished, best_file: Path, *, as_json: bool) -> None:
    from sightwire_trainer.hyperparameters.space import shown

    def document(trial: "FrozenTrial") -> dict[str, Any]:
        return {
            "trial": trial.number,
            "state": trial.state.name.lower(),
            "value": trial.value,
            "values": shown(space.parameters, trial.params),
            "notes": trial.user_attrs,
        }

    if as_json:
        best = None if finished.best is None else document(finished.best)
        print_json(
            {
                "best": best,
                "configuration": str(best_file) if best else None,
                "interrupted": finished.was_interrupted,
                "trials": [document(trial) for trial in finished.trials],
            }
        )
        return
    complete = sorted(
        (trial for trial in finished.trials if trial.value is not None), key=lambda trial: -(trial.value or 0.0)
    )
    names = list(space.parameters)
    rows = (
        [trial.number, f"{trial.value:.4f}", *(shown(space.parameters, trial.params).get(name) for name in names)]
        for trial in complete[:_SHOWN_TRIALS]
    )
    print_table(["trial", "value", *names], rows)
    if finished.best is not None:
        print_members({"trials": len(finished.trials), "best": finished.best.number, "configuration": str(best_file)})
