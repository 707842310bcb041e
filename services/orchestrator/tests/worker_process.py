"""A worker of the watched handlers as a process: `python -m … CONCURRENCY`, settings from the environment."""

import asyncio
import signal
import sys

from sightwire_orchestrator.tasks.resources import open_resources
from sightwire_orchestrator.tasks.settings import TaskSettings
from sightwire_orchestrator.workers.worker import Worker

from services.orchestrator.tests.watched_handlers import watched_handlers
from sightwire.bus.connection import Bus
from sightwire.settings import load_settings


async def main(concurrency: int) -> None:
    settings = load_settings(TaskSettings)
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    async with Bus(settings, name="worker") as bus, open_resources(settings, bus=bus) as resources:
        worker = Worker(bus, resources, watched_handlers(), concurrency=concurrency)
        await worker.run(stopping, drain_seconds=settings.drain_seconds)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
