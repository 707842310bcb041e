"""`sightwire worker`: carries tasks of pipelines out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sightwire.cli.bus import with_bus
from sightwire.cli.options import DataDir
from sightwire.cli.output import notices
from sightwire.errors import InvalidInputError

if TYPE_CHECKING:
    from sightwire.bus.connection import Bus


def worker(
    types: Annotated[
        str | None, typer.Option(help="Types of tasks to take, separated by commas. [default: all that are installed]")
    ] = None,
    concurrency: Annotated[int, typer.Option("--concurrency", "-n", min=1, help="Tasks at once.")] = 4,
    data_dir: DataDir = Path("data"),
) -> None:
    """Carry tasks of pipelines out until it is told to stop.

    Speaks to NATS directly: with the credentials of the data directory, or SIGHTWIRE_NATS_URL, SIGHTWIRE_NATS_USER and
    SIGHTWIRE_NATS_PASSWORD. SIGTERM and SIGINT let tasks end that run, for SIGHTWIRE_DRAIN_SECONDS; then other workers
    take them over.
    """
    chosen = None if types is None else tuple(name.strip() for name in types.split(",") if name.strip())
    if chosen == ():
        raise InvalidInputError(f"--types names no type of task: {types!r}; expected some, separated by commas")

    async def work(bus: "Bus") -> None:
        await _work(bus, chosen, concurrency)

    with_bus(data_dir, work)


async def _work(bus: "Bus", types: tuple[str, ...] | None, concurrency: int) -> None:
    import asyncio
    import signal

    from sightwire.settings import load_settings
    from sightwire_orchestrator.tasks.registry import HandlerRegistry
    from sightwire_orchestrator.tasks.resources import open_resources
    from sightwire_orchestrator.tasks.settings import TaskSettings
    from sightwire_orchestrator.workers.worker import Worker

    settings = load_settings(TaskSettings)
    handlers = HandlerRegistry.with_builtin_types()
    handlers.add_installed()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with open_resources(settings, bus=bus) as resources:
        running = Worker(bus, resources, handlers, types=types, concurrency=concurrency)
        notices.print(f"Taking {concurrency} tasks at once of {', '.join(types or handlers.types)}")
        await running.run(stopping, drain_seconds=settings.drain_seconds)
