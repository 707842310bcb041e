"""An orchestrator and workers as processes, around a bus of their own."""

import asyncio
import os
import sys
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bench.nats_servers import bus_on, nats_server
from bench.running import cpu_seconds_of, cpu_seconds_of_children
from sightwire.bus.connection import Bus
from sightwire.bus.pipelines import PipelinesClient
from sightwire.contracts.pipeline_control import RunReport, StartRun, SubmitPipeline
from sightwire.contracts.pipelines import PipelineRunState
from sightwire.errors import SightwireError
from sightwire.platform.nats_configuration import NatsAccess
from sightwire.platform.parent_death import dying_with_parent

_CONCURRENCY: Final = 16
_DEADLINE_SECONDS: Final = 120.0
_POLL_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class CpuSeconds:
    """CPU time that the parts of a control plane have used."""

    orchestrator: float
    workers: float
    bus: float

    def since(self, before: "CpuSeconds") -> "CpuSeconds":
        """What was used after `before`."""
        return CpuSeconds(self.orchestrator - before.orchestrator, self.workers - before.workers, self.bus - before.bus)


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """A bus on which an orchestrator is active."""

    bus: Bus
    client: PipelinesClient
    environment: dict[str, str]
    orchestrator: Process
    #: Those that run now.
    _workers: list[Process] = field(default_factory=list)

    @asynccontextmanager
    async def workers(self, count: int, module: str = "bench.pipelines.worker_process") -> AsyncIterator[None]:
        """So many worker processes; the first task tells when they are there."""
        processes = [await _start(self.environment, module, str(_CONCURRENCY)) for _ in range(count)]
        self._workers.extend(processes)
        try:
            yield
        finally:
            await _end(*processes)
            for process in processes:
                self._workers.remove(process)

    def cpu_seconds(self) -> CpuSeconds:
        """What the processes have used so far; those of workers that have ended are not among them."""
        orchestrator = cpu_seconds_of(self.orchestrator.pid)
        workers = sum(cpu_seconds_of(worker.pid) for worker in self._workers)
        # The NATS server is the only other child.
        return CpuSeconds(orchestrator, workers, cpu_seconds_of_children(os.getpid()) - orchestrator - workers)

    async def submit(self, definition: dict[str, Any]) -> str:
        """Stores a definition; its name."""
        return (await self.client.submit(SubmitPipeline(definition=definition, any_type=True))).name

    async def ended(self, runs: list[str]) -> list[RunReport]:
        """The runs when they have ended.

        Raises:
            RuntimeError: one did not succeed.
        """
        async with asyncio.timeout(_DEADLINE_SECONDS):
            return [await self._ended(run) for run in runs]

    async def run(self, pipeline: str) -> RunReport:
        """One run from its start to its end."""
        started = await self.client.start(StartRun(pipeline=pipeline))
        (report,) = await self.ended([started.run])
        return report

    async def _ended(self, run: str) -> RunReport:
        # As a client would, and seldom enough to cost nothing: times are the orchestrator's.
        while not (report := await self.client.run(run)).state.is_final:  # noqa: ASYNC110
            await asyncio.sleep(_POLL_SECONDS)
        if report.state is not PipelineRunState.SUCCEEDED:
            raise RuntimeError(f"run {run} of {report.pipeline} has {report.state}: {report.error}")
        return report


@asynccontextmanager
async def control_plane(folder: Path) -> AsyncIterator[ControlPlane]:
    """An orchestrator that carries no tasks out itself, with SQLite, on a bus as the platform ships it."""
    async with nats_server(folder / "nats") as access, bus_on(access) as bus:
        environment = _environment(access, folder)
        orchestrator = await _start(environment, "sightwire_orchestrator")
        try:
            client = PipelinesClient(bus)
            await _wait_until_active(client)
            yield ControlPlane(bus, client, environment, orchestrator)
        finally:
            await _end(orchestrator)


def _environment(access: NatsAccess, folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "SIGHTWIRE_NATS_URL": access.url,
        "SIGHTWIRE_NATS_USER": access.user,
        "SIGHTWIRE_NATS_PASSWORD": access.password,
        "SIGHTWIRE_OPS_PORT": "0",
        "SIGHTWIRE_LOG_LEVEL": "WARNING",
        "SIGHTWIRE_ORCHESTRATOR_DATABASE_URL": f"sqlite:///{folder}/orchestrator.db",
        "SIGHTWIRE_ORCHESTRATOR_WORKER_CONCURRENCY": "0",
    }


async def _start(environment: dict[str, str], module: str, *arguments: str) -> Process:
    command = dying_with_parent((sys.executable, "-m", module, *arguments))
    return await asyncio.create_subprocess_exec(*command, env=environment)


async def _end(*processes: Process) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        await process.wait()


async def _wait_until_active(client: PipelinesClient) -> None:
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while True:
        try:
            await client.pipelines()
        except SightwireError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(_POLL_SECONDS)
        else:
            return
