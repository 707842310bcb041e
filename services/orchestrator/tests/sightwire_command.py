"""The command `sightwire`, as people type it, beside an orchestrator on a real bus."""

import asyncio
import json
import os
import sys
from typing import Any

from services.orchestrator.tests.orchestrator_world import OrchestratorWorld
from tests.plugin.warm_command import run_sightwire

_COMMAND = (sys.executable, "-m", "sightwire.cli")


class Sightwire:
    """The command, for one world."""

    def __init__(self, world: OrchestratorWorld) -> None:
        self.world = world

    async def __call__(self, *arguments: str, status: int = 0) -> str:
        exit_status, printed = await run_sightwire(*arguments, **self.world.environment, COLUMNS="250")
        assert exit_status == status, printed
        return printed

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        """The command as a process that goes on."""
        environment = {**os.environ, **self.world.environment}
        return await asyncio.create_subprocess_exec(*_COMMAND, *arguments, env=environment)

    async def json(self, *arguments: str, status: int = 0) -> Any:
        return json.loads(await self(*arguments, "--json", status=status))
