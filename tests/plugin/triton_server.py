"""Real Triton servers for tests: `tritonserver` from PATH, or the one that `make setup-triton` installs."""

import asyncio
import os
import subprocess
from pathlib import Path

import pytest

from sightwire.platform.errors import PlatformError
from sightwire.platform.parent_death import dying_with_parent
from sightwire.platform.triton_server import find_triton_server, prepare_triton_server, triton_is_ready
from tests.plugin.waiting import wait_until

#: Seven interpreters import NumPy and ONNX Runtime: some 5 s, if nobody else needs the cores.
_START_SECONDS = 240.0


class TritonProcess:
    """One server for the models of a repository, on ports that it keeps when it comes back."""

    def __init__(self, repository: Path, log: Path) -> None:
        self._launch = prepare_triton_server(repository)
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What `SIGHTWIRE_TRITON_URL` says."""
        return self._launch.grpc_url

    async def start(self) -> None:
        """Starts the server and returns once it has loaded its models."""
        process = _spawn(self._launch.command, self._log)
        self._process = process

        async def is_ready() -> bool:
            if process.poll() is not None:
                pytest.fail(f"Triton ended before it was ready:\n{self._log.read_text(errors='replace')[-4000:]}")
            return await triton_is_ready(self._launch)

        await wait_until(is_ready, _START_SECONDS, "an answer of the Triton server")

    async def kill(self) -> None:
        """Ends it as a crash would."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            await asyncio.to_thread(process.wait)


def _spawn(command: tuple[str, ...], log_path: Path) -> subprocess.Popen[bytes]:
    # Its own packages, not those of the tests.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    with log_path.open("ab") as log:
        return subprocess.Popen(dying_with_parent(command), env=environment, stdout=log, stderr=subprocess.STDOUT)


def triton_or_skip() -> None:
    """Skips the test where there is no server, with the reason."""
    try:
        find_triton_server()
    except PlatformError as error:
        pytest.skip(str(error))
