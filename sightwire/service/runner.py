"""Runs a service's main coroutine: logs, tracing, operations endpoints, signals, draining, settings read again."""

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import uvloop

from sightwire.ending_tasks import end_tasks
from sightwire.errors import ConfigurationError
from sightwire.lasting_tasks import LastingTaskError, hear_of_ends
from sightwire.service.health import Health
from sightwire.service.operations import Page, operations_pages, reload_action, serve_operations
from sightwire.service.reloading import Configuration
from sightwire.settings import SharedSettings, load_settings
from sightwire.telemetry.logs import configure_logs, set_log_level
from sightwire.telemetry.tracing import configure_tracing

logger = logging.getLogger(__name__)

SettingsType = TypeVar("SettingsType", bound=SharedSettings)

EXIT_BAD_CONFIGURATION = 78  # EX_CONFIG of sysexits.h: a supervisor need not try again


@dataclass(slots=True)
class ServiceContext(Generic[SettingsType]):
    """What a service's main coroutine gets. It runs until `stopping` is set, then drains and returns."""

    settings: SettingsType
    health: Health = field(default_factory=Health)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    #: More pages for the operations endpoint, such as the AsyncAPI document; add before the first await.
    pages: dict[str, Page] = field(default_factory=dict)
    #: The settings in force, of which some may change; add listeners before the first await.
    configuration: Configuration[SettingsType] = field(init=False)

    def __post_init__(self) -> None:
        self.configuration = Configuration(self.settings)


ServiceMain = Callable[[ServiceContext[SettingsType]], Awaitable[None]]


def run_service(
    name: str, settings_class: type[SettingsType], main: ServiceMain[SettingsType], *, with_operations: bool = True
) -> None:
    """Runs a service until SIGTERM or SIGINT, then exits: 0 after a drain, 78 for bad settings, 1 for a failure.

    SIGHUP makes it read its settings again.

    Args:
        name: the service, such as `embedder`.
        settings_class: its settings.
        main: its coroutine.
        with_operations: whether to serve the operations endpoints here; the gateway has them among its own.
    """
    try:
        settings = load_settings(settings_class)
        configure_logs(settings, service=name)
        tracing = configure_tracing(settings, service=name)
        try:
            uvloop.run(_run(settings, main, with_operations=with_operations))
        finally:
            if tracing is not None:
                tracing.shutdown()
    except ConfigurationError as error:
        print(f"sightwire {name}: {error.detail}", file=sys.stderr)  # noqa: T201  logs may not be set up
        sys.exit(EXIT_BAD_CONFIGURATION)


async def _run(settings: SettingsType, main: ServiceMain[SettingsType], *, with_operations: bool) -> None:
    context = ServiceContext(settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, context, number)
    context.configuration.add_listener(lambda fresh: set_log_level(fresh.log_level))
    reloads: set[asyncio.Task[None]] = set()
    loop.add_signal_handler(signal.SIGHUP, _start_reload, context, reloads)
    operations: asyncio.Task[None] | None = None
    operations_stopping = asyncio.Event()
    if with_operations:
        pages = operations_pages(context.health)
        context.pages = pages
        operations = asyncio.create_task(
            serve_operations(
                pages,
                {"/-/reload": reload_action(context.configuration)},
                host=settings.host,
                port=settings.ops_port,
                stopping=operations_stopping,
            )
        )
    _leave_imports_to_themselves()
    logger.info("starting", extra={"host": settings.host, "operations_port": settings.ops_port})
    try:
        await _serve(main, context)
    finally:
        # Last, so that health can be asked while the service drains.
        operations_stopping.set()
        if operations is not None:
            await operations
    logger.info("stopped")


async def _serve(main: ServiceMain[SettingsType], context: ServiceContext[SettingsType]) -> None:
    """Runs a service's main coroutine; stops it where a task ends on which it relies, and raises what ended."""
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def fail(error: LastingTaskError) -> None:
        if not failed.done():
            failed.set_exception(error)

    async def serve() -> None:
        await main(context)

    hear_of_ends(fail)
    serving = asyncio.create_task(serve(), name="main")
    waited: set[asyncio.Future[None]] = {serving, failed}
    try:
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            return await serving
        problem = str(failed.exception())
        context.health.add("background", lambda: problem)
        context.stopping.set()
        await asyncio.wait({serving}, timeout=context.settings.drain_seconds)
    finally:
        # What waits for the task that has ended would wait for ever.
        await end_tasks(serving)
    failed.result()


def _leave_imports_to_themselves() -> None:
    """Lets the garbage collector pass over what was imported, which stays for ever.

    Looking through its hundred thousand objects takes some 50 ms, in which nothing is answered, once every few seconds.
    """
    gc.collect()
    gc.freeze()


def _stop(context: ServiceContext[SettingsType], number: signal.Signals) -> None:
    logger.info("stopping", extra={"signal": number.name})
    context.health.start_draining()
    context.stopping.set()


def _start_reload(context: ServiceContext[SettingsType], reloads: "set[asyncio.Task[None]]") -> None:
    async def reload() -> None:
        try:
            await context.configuration.reload()
        except ConfigurationError as error:
            logger.warning("the signal to read the settings again changed nothing", extra={"reason": error.detail})
        except Exception:
            # Nobody waits for this task.
            logger.exception("the settings were read again, and could not be applied")

    task = asyncio.create_task(reload(), name="reload")
    reloads.add(task)
    task.add_done_callback(reloads.discard)
