"""An orchestrator and workers around a real bus: in this process, or as processes that can be killed."""

import asyncio
import os
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sightwire_orchestrator.app import run
from sightwire_orchestrator.registry.service import ModelRegistry
from sightwire_orchestrator.settings import OrchestratorSettings
from sightwire_orchestrator.storage.database import Database
from sightwire_orchestrator.tasks.resources import open_resources
from sightwire_orchestrator.workers.worker import Worker

from services.orchestrator.tests import worker_process
from services.orchestrator.tests.watched_handlers import watched_handlers
from sightwire.blobs import open_blob_store
from sightwire.bus.connection import Bus
from sightwire.bus.pipelines import PipelinesClient
from sightwire.contracts.pipeline_control import RunReport, StartRun, SubmitPipeline
from sightwire.contracts.pipelines import TaskState
from sightwire.errors import SightwireError
from sightwire.platform.nats_server import NatsServer
from sightwire.service.runner import ServiceContext
from tests.plugin.waiting import wait_until

DEADLINE = 90.0


class OrchestratorWorld:
    """Everything about one bus and one database."""

    def __init__(self, server: NatsServer, folder: Path, bus: Bus) -> None:
        self._server = server
        self.bus = bus
        self.folder = folder
        self.client = PipelinesClient(bus)
        self._processes: list[Process] = []

    @property
    def environment(self) -> dict[str, str]:
        """Settings for processes."""
        return {
            "SIGHTWIRE_NATS_URL": self._server.access.url,
            "SIGHTWIRE_NATS_USER": self._server.access.user,
            "SIGHTWIRE_NATS_PASSWORD": self._server.access.password,
            "SIGHTWIRE_ORCHESTRATOR_DATABASE_URL": f"sqlite:///{self.folder}/orchestrator.db",
            "SIGHTWIRE_ORCHESTRATOR_WORKER_CONCURRENCY": "0",
            "SIGHTWIRE_BLOBS_URL": str(self.folder / "blobs"),
        }

    def settings(self, **changes: Any) -> OrchestratorSettings:
        """The same for this process."""
        own = {name.removeprefix("SIGHTWIRE_").lower(): value for name, value in self.environment.items()}
        return OrchestratorSettings.model_validate({**own, **changes})

    @asynccontextmanager
    async def service(self, **changes: Any) -> AsyncIterator[ServiceContext[OrchestratorSettings]]:
        """An orchestrator in this process."""
        context = ServiceContext(self.settings(**changes))
        running = asyncio.create_task(run(context))
        try:
            await self.wait_for_orchestrator()
            yield context
        finally:
            context.stopping.set()
            await running

    @asynccontextmanager
    async def database(self) -> AsyncIterator[Database]:
        """The orchestrators' database."""
        database = Database(self.settings().orchestrator_database_url.get_secret_value())
        await database.open()
        try:
            yield database
        finally:
            await database.close()

    @asynccontextmanager
    async def registry(self) -> AsyncIterator[ModelRegistry]:
        """The registry on that database, as who has no orchestrator changes it."""
        async with self.database() as database:
            yield ModelRegistry(database, open_blob_store(self.settings().blobs_url))

    @asynccontextmanager
    async def worker(self, concurrency: int = 8) -> AsyncIterator[None]:
        """A worker of the watched handlers in this process."""
        stopping = asyncio.Event()
        async with open_resources(self.settings(), bus=self.bus) as resources:
            worker = Worker(self.bus, resources, watched_handlers(), concurrency=concurrency)
            working = asyncio.create_task(worker.run(stopping, drain_seconds=1.0))
            try:
                yield
            finally:
                stopping.set()
                await working

    async def start_orchestrator(self) -> Process:
        """An orchestrator as a process; killed at the end of the test at the latest."""
        return await self._start("-m", "sightwire_orchestrator")

    async def start_worker(self, concurrency: int = 4) -> Process:
        """A worker as a process; likewise."""
        return await self._start("-m", worker_process.__name__, str(concurrency))

    async def kill(self, process: Process) -> None:
        """SIGKILL."""
        process.kill()
        await process.wait()

    async def kill_all(self) -> None:
        """Kills what still runs."""
        for process in self._processes:
            if process.returncode is None:
                await self.kill(process)

    async def wait_for_orchestrator(self) -> None:
        """Returns when an active one answers."""

        async def answers() -> bool:
            try:
                await self.client.pipelines()
            except SightwireError:
                return False
            return True

        await wait_until(answers, DEADLINE)

    async def begin(self, definition: dict[str, Any], **parameters: Any) -> str:
        """The id of a run of a new pipeline, which has begun."""
        await self.client.submit(SubmitPipeline(definition=definition, any_type=True))
        return (await self.client.start(StartRun(pipeline=definition["name"], parameters=parameters))).run

    async def end_of(self, run: str) -> RunReport:
        """The run when it has ended."""

        async def ended() -> RunReport | None:
            try:
                report = await self.client.run(run)
            except SightwireError:
                return None  # no orchestrator is active now
            return report if report.state.is_final else None

        return await wait_until(ended, DEADLINE)

    async def _start(self, *arguments: str) -> Process:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, *arguments), env={**os.environ, **self.environment, "PYTHONDONTWRITEBYTECODE": "1"}
        )
        self._processes.append(process)
        return process


@asynccontextmanager
async def orchestrator_world(server: NatsServer, folder: Path) -> AsyncIterator[OrchestratorWorld]:
    """A world whose processes end with the block."""
    settings = OrchestratorSettings.model_validate(
        {
            "nats_url": server.access.url,
            "nats_user": server.access.user,
            "nats_password": server.access.password,
        }
    )
    async with Bus(settings, name="test") as bus:
        world = OrchestratorWorld(server, folder, bus)
        try:
            yield world
        finally:
            await world.kill_all()


def states(report: RunReport) -> dict[str, TaskState]:
    """How the tasks of a run stand."""
    return {task.name: task.state for task in report.tasks}
