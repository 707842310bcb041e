"""A trainer on a real bus, in this process or as one of its own, and what it tells."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from nats.aio.msg import Msg
from sightwire_trainer.app import run
from sightwire_trainer.settings import TrainerSettings

from sightwire.bus.connection import Bus
from sightwire.contracts import subjects
from sightwire.contracts.training import TrainingCompleted, TrainingProgress
from sightwire.platform.nats_server import NatsServer
from sightwire.service.runner import ServiceContext
from tests.plugin.bus import shared_settings
from tests.plugin.waiting import wait_until

#: Until the process of a run has imported torch on a busy machine, and gone some steps.
DEADLINE = 120.0


@dataclass
class TrainerWorld:
    """Requests runs and keeps everything that is told of them."""

    bus: Bus
    settings: TrainerSettings
    completed: list[TrainingCompleted] = field(default_factory=list)
    completed_headers: list[dict[str, str]] = field(default_factory=list)
    progress: dict[str, list[TrainingProgress]] = field(default_factory=dict)

    async def listen(self) -> None:
        await self.bus.client.subscribe(subjects.TRAINING_COMPLETED, cb=self._hear_end)
        await self.bus.client.subscribe(subjects.training_progress("*"), cb=self._hear_progress)

    async def request(self, run: str, content: dict[str, Any], **headers: str) -> None:
        await self.request_bytes(orjson.dumps({"run": run, "configuration": content}), **headers)

    async def request_bytes(self, payload: bytes, **headers: str) -> None:
        await self.bus.publish(subjects.TRAINING_REQUESTED, payload, headers)

    async def end_of(self, run: str, number: int = 1) -> TrainingCompleted:
        """The `number`-th time that a run is told to have ended."""

        def ends() -> list[TrainingCompleted]:
            return [completed for completed in self.completed if completed.run == run]

        await wait_until(lambda: len(ends()) >= number, DEADLINE, f"the end of {run}")
        return ends()[number - 1]

    async def step_of(self, run: str, least: int) -> TrainingProgress:
        """The first progress of a run that is told from now on, at or after a step."""
        known = len(self.progress.get(run, []))

        def found() -> list[TrainingProgress]:
            return [progress for progress in self.progress.get(run, [])[known:] if progress.step >= least]

        await wait_until(found, DEADLINE, f"step {least} of {run}")
        return found()[0]

    def logged_steps(self, run: str) -> list[int]:
        """Every step that any process of a run has taken, in order."""
        lines = (self.settings.trainer_runs_dir / run / "log.jsonl").read_text().splitlines()
        return [event["step"] for event in map(orjson.loads, lines) if event["event"] == "step"]

    @asynccontextmanager
    async def service(self) -> AsyncIterator[ServiceContext[TrainerSettings]]:
        """A trainer in this process."""
        context = ServiceContext(self.settings)
        serving = asyncio.create_task(run(context))
        try:
            yield context
        finally:
            context.stopping.set()
            async with asyncio.timeout(DEADLINE):
                await serving

    @asynccontextmanager
    async def service_process(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """A trainer in a process of its own, which is killed at the end."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "sightwire_trainer", env={**os.environ, **trainer_environment(self.settings)}
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def _hear_end(self, message: Msg) -> None:
        self.completed.append(TrainingCompleted.model_validate_json(message.data))
        self.completed_headers.append(dict(message.headers or {}))

    async def _hear_progress(self, message: Msg) -> None:
        progress = TrainingProgress.model_validate_json(message.data)
        self.progress.setdefault(progress.run, []).append(progress)


@asynccontextmanager
async def trainer_world(server: NatsServer, folder: Path) -> AsyncIterator[TrainerWorld]:
    """A world on a bus, whose trainers keep everything in `folder` and make no bundles."""
    settings = TrainerSettings.model_validate(
        shared_settings(server, folder / "blobs").model_dump()
        | {
            "trainer_runs_dir": folder / "runs",
            "trainer_data_dir": folder / "sets",
            "trainer_cache_dir": folder / "cache",
            "trainer_export": False,
            "trainer_threads": 1,
            "trainer_nice": 0,
            "trainer_progress_seconds": 0.05,
            "drain_seconds": 60.0,
        }
    )
    async with Bus(settings, name="test") as bus:
        world = TrainerWorld(bus, settings)
        await world.listen()
        yield world


def run_processes(parent: int) -> list[int]:
    """Ids of the processes of runs that a trainer has started."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"sightwire_trainer.jobs.carry_out" in arguments and str(parent).encode() in arguments:
            found.append(int(entry.name))
    return found


def trainer_environment(settings: TrainerSettings) -> dict[str, str]:
    """The settings, for processes."""
    assert settings.nats_password is not None
    return {
        "SIGHTWIRE_NATS_URL": settings.nats_url,
        "SIGHTWIRE_NATS_USER": settings.nats_user or "",
        "SIGHTWIRE_NATS_PASSWORD": settings.nats_password.get_secret_value(),
        "SIGHTWIRE_LOG_LEVEL": "WARNING",
        "SIGHTWIRE_TRAINER_RUNS_DIR": str(settings.trainer_runs_dir),
        "SIGHTWIRE_TRAINER_DATA_DIR": str(settings.trainer_data_dir),
        "SIGHTWIRE_TRAINER_CACHE_DIR": str(settings.trainer_cache_dir),
        "SIGHTWIRE_TRAINER_EXPORT": str(settings.trainer_export).lower(),
        "SIGHTWIRE_TRAINER_THREADS": str(settings.trainer_threads),
        "SIGHTWIRE_TRAINER_NICE": str(settings.trainer_nice),
        "SIGHTWIRE_TRAINER_PROGRESS_SECONDS": str(settings.trainer_progress_seconds),
        "SIGHTWIRE_DRAIN_SECONDS": str(settings.drain_seconds),
    }
