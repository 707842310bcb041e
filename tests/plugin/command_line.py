"""The `sightwire` command against the running platform."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from sightwire.platform.running_platform import RunningPlatform
from tests.plugin.warm_command import run_sightwire

COMMAND = (sys.executable, "-m", "sightwire.cli")


class CommandLine:
    """`sightwire` with the platform's address and with state of its own."""

    def __init__(self, platform: RunningPlatform, state: Path) -> None:
        self._environment = {
            "SIGHTWIRE_URL": platform.gateway_url,
            "SIGHTWIRE_DATA_DIR": str(platform.data.path),
            "XDG_STATE_HOME": str(state),
        }

    async def __call__(self, *arguments: object, fails: bool | None = False) -> str:
        """What the command prints; `fails` says whether it should end with 1, None that it may."""
        exit_status, printed = await run_sightwire(*map(str, arguments), **self._environment)
        assert exit_status in ((0, 1) if fails is None else (int(fails),)), printed
        return printed

    async def json(self, *arguments: object, fails: bool | None = False) -> Any:
        """What the command prints with --json."""
        return json.loads(await self(*arguments, "--json", fails=fails))


@pytest.fixture
def sightwire(platform: RunningPlatform, tmp_path: Path) -> CommandLine:
    """The command, for `platform`."""
    return CommandLine(platform, tmp_path / "state")
