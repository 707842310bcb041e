"""A worker of tasks that do nothing, as a process: `python -m bench.pipelines.worker_process CONCURRENCY`."""

import asyncio
import signal
import sys
from collections.abc import Mapping

import uvloop
from pydantic import JsonValue
from sightwire_orchestrator.tasks.context import TaskContext
from sightwire_orchestrator.tasks.registry import HandlerRegistry
from sightwire_orchestrator.tasks.resources import open_resources
from sightwire_orchestrator.tasks.settings import TaskSettings
from sightwire_orchestrator.workers.worker import Worker

from bench.pipelines.definitions import EMPTY_TYPE
from sightwire.bus.connection import Bus
from sightwire.settings import load_settings


async def empty(_context: TaskContext, _parameters: Mapping[str, JsonValue]) -> None:
    """Does nothing."""


async def main(concurrency: int) -> None:
    """Works until SIGTERM."""
    settings = load_settings(TaskSettings)
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    handlers = HandlerRegistry()
    handlers.add(empty, task_type=EMPTY_TYPE)
    async with Bus(settings, name="worker") as bus, open_resources(settings, bus=bus) as resources:
        await Worker(bus, resources, handlers, concurrency=concurrency).run(stopping, drain_seconds=1.0)


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
