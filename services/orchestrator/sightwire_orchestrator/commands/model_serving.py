"""`sightwire models loaded|load|unload|switch`: what embedders serve, asked of the orchestrator over the bus."""

import asyncio
from collections.abc import Awaitable, Callable
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import typer

from sightwire.cli.bus import with_bus
from sightwire.cli.options import AsJson, DataDir
from sightwire.cli.output import print_json, print_table

if TYPE_CHECKING:
    from sightwire.bus.connection import Bus
    from sightwire.bus.orchestrator import OrchestratorClient
    from sightwire.contracts.model_control import ServedModels

Model = Annotated[str, typer.Argument(metavar="MODEL", help="A registered model: NAME, NAME:VERSION or NAME@ALIAS.")]

Answer = TypeVar("Answer")
_POLL_SECONDS: Final = 0.5


def loaded(data_dir: DataDir = Path("data"), as_json: AsJson = False) -> None:
    """List the models that embedders serve or are to serve."""
    _show(_asked(data_dir, _served), as_json=as_json)


def load(
    model: Model,
    wait: Annotated[
        bool, typer.Option("--wait", "-w", help="Wait until embedders serve it; exit with 1 if one cannot.")
    ] = False,
    data_dir: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Have every embedder serve a registered model, now and after restarts, beside those that it serves."""
    from sightwire.contracts.model_control import LoadModel, ServedModel, ServedModels, ServingState
    from sightwire_orchestrator.commands.requests import request_of

    request = request_of(LoadModel, model=model, by=getuser())

    async def ask(client: "OrchestratorClient") -> ServedModel:
        served = await client.ask_models(request, ServedModel)
        while wait and served.state is ServingState.LOADING:
            await asyncio.sleep(_POLL_SECONDS)
            [served] = [one for one in (await _served(client)).models if one.space == served.space]
        return served

    served = _asked(data_dir, ask)
    if as_json:
        print_json(served)
    else:
        _show(ServedModels(models=(served,), default_space=None), as_json=False)
    if wait and served.state is ServingState.FAILED:
        raise typer.Exit(1)


def unload(model: Model, data_dir: DataDir = Path("data"), as_json: AsJson = False) -> None:
    """Have embedders give up a model that was loaded."""
    from sightwire.contracts.model_control import ServedModels, UnloadModel
    from sightwire_orchestrator.commands.requests import request_of

    request = request_of(UnloadModel, model=model)
    _show(_asked(data_dir, lambda client: client.ask_models(request, ServedModels)), as_json=as_json)


def switch(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="[MODEL]", help="A loaded model. [default: of each embedder the one that it was started with]"
        ),
    ] = None,
    data_dir: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Let a loaded model be the one that embedders answer with where none is named."""
    from sightwire.contracts.model_control import ServedModels, SwitchModel
    from sightwire_orchestrator.commands.requests import request_of

    request = request_of(SwitchModel, model=model, by=getuser())
    _show(_asked(data_dir, lambda client: client.ask_models(request, ServedModels)), as_json=as_json)


async def _served(client: "OrchestratorClient") -> "ServedModels":
    from sightwire.contracts.model_control import ListServedModels, ServedModels

    return await client.ask_models(ListServedModels(), ServedModels)


def _asked(data_dir: Path, ask: "Callable[[OrchestratorClient], Awaitable[Answer]]") -> Answer:
    async def act(bus: "Bus") -> Answer:
        from sightwire.bus.orchestrator import OrchestratorClient

        return await ask(OrchestratorClient(bus))

    return with_bus(data_dir, act)


def _show(served: "ServedModels", *, as_json: bool) -> None:
    from sightwire_orchestrator.commands.model_output import SERVED_COLUMNS, served_rows

    if as_json:
        print_json(served)
    else:
        print_table(SERVED_COLUMNS, served_rows(served))
