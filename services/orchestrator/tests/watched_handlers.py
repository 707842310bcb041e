"""Handlers whose work tests can see, hold up and let fail, from other processes as well."""

import asyncio
import os
from pathlib import Path

from pydantic import BaseModel, JsonValue
from sightwire_orchestrator.tasks.context import TaskContext
from sightwire_orchestrator.tasks.registry import HandlerRegistry, handler

from services.orchestrator.tests.drawn_runs import DRAWN_TYPE, outcome, output
from sightwire.errors import InvalidInputError, UnavailableError

_POLL_SECONDS = 0.02


class FlakyParameters(BaseModel):
    """How often it fails before it succeeds."""

    failures: int


class GatedParameters(BaseModel):
    """A folder in which it tells what it does, and waits for the file `open`."""

    folder: Path


@handler("echo")
async def echo(_context: TaskContext, parameters: dict[str, JsonValue]) -> JsonValue:
    """Returns its parameters."""
    return parameters


@handler("flaky")
async def flaky(context: TaskContext, parameters: FlakyParameters) -> JsonValue:
    """Fails at first."""
    if context.attempt <= parameters.failures:
        raise UnavailableError("not yet")
    return {"attempt": context.attempt}


@handler("broken")
async def broken(_context: TaskContext, _parameters: dict[str, JsonValue]) -> JsonValue:
    """Fails always."""
    raise InvalidInputError("never")


@handler("hanging")
async def hanging(_context: TaskContext, _parameters: dict[str, JsonValue]) -> JsonValue:
    """Never ends by itself."""
    await asyncio.Event().wait()


@handler(DRAWN_TYPE)
async def drawn(context: TaskContext, parameters: dict[str, JsonValue]) -> JsonValue:
    """Does what was drawn for this attempt."""
    match outcome(context.pipeline, context.task, context.element, context.attempt):
        case "hangs":
            await asyncio.Event().wait()
        case "fails for now":
            raise UnavailableError("not yet")
        case "fails for good":
            raise InvalidInputError("never")
    return output(context.pipeline, context.task, context.element, parameters)


@handler("counted")
async def counted(context: TaskContext, parameters: GatedParameters) -> JsonValue:
    """Tells that it was carried out."""
    tell(parameters.folder, f"{context.identity} {context.attempt}")
    return context.attempt


@handler("gated")
async def gated(context: TaskContext, parameters: GatedParameters) -> JsonValue:
    """Appends a line at its beginning, and one at its end, which comes when the gate is open."""
    tell(parameters.folder, f"begin {context.identity} {context.attempt}")
    try:
        while not (parameters.folder / "open").exists():  # noqa: ASYNC110  other processes open it
            await asyncio.sleep(_POLL_SECONDS)
    except asyncio.CancelledError:
        tell(parameters.folder, f"cancelled {context.identity} {context.attempt}")
        raise
    tell(parameters.folder, f"end {context.identity} {context.attempt}")
    return os.getpid()


@handler("half_done")
async def half_done(context: TaskContext, parameters: GatedParameters) -> JsonValue:
    """Tells that it is half done, and waits for the gate."""
    context.progress("waiting", done=1, total=2, unit="gates")
    return await gated(context, parameters)


def tell(folder: Path, line: str) -> None:
    """Appends a line to what is told in a folder."""
    # One write of a few bytes to a file that is opened for appending is whole.
    with (folder / "told").open("a") as told:
        told.write(f"{line}\n")


def told(folder: Path) -> list[str]:
    """All lines that were told."""
    file = folder / "told"
    return file.read_text().splitlines() if file.exists() else []


def watched_handlers() -> HandlerRegistry:
    """A registry of them all."""
    registry = HandlerRegistry()
    for function in (echo, flaky, broken, hanging, drawn, counted, gated, half_done):
        registry.add(function)
    return registry
