"""The `sightwire` command without its second of imports: for tests of what commands do, not of how they start."""

import asyncio
import atexit
import contextlib
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sightwire.platform.parent_death import dying_with_parent
from tests.plugin.waiting import wait_until

_DEADLINE_SECONDS: Final = 60.0
_PROGRAM: Final = Path(__file__).with_name("command_server.py")


@dataclass(frozen=True)
class _Server:
    """The process that commands are forked from; it ends with this one."""

    process: subprocess.Popen[bytes]
    folder: Path

    @property
    def socket(self) -> Path:
        return self.folder / "commands"

    def listens(self) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError("the process that commands are forked from has ended; its last words are above")
        return self.socket.exists()

    def stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        shutil.rmtree(self.folder)


async def run_sightwire(*arguments: str, **environment: str) -> tuple[int, str]:
    """Exit status and everything that `sightwire` prints with these arguments, on both streams."""
    server = _server()
    await wait_until(server.listens, deadline=_DEADLINE_SECONDS)
    request = {"arguments": arguments, "environment": {**os.environ, **environment}, "directory": str(Path.cwd())}
    async with asyncio.timeout(_DEADLINE_SECONDS):
        reader, writer = await asyncio.open_unix_connection(server.socket)
        try:
            writer.write(json.dumps(request).encode() + b"\n")
            printed, ended, status = (await reader.read()).rpartition(b"\0")
        finally:
            writer.close()
    assert ended, f"sightwire {' '.join(arguments)} was killed"
    return int(status), printed.decode()


@functools.cache
def _server() -> _Server:
    folder = Path(tempfile.mkdtemp(prefix="sightwire-"))
    server = _Server(
        subprocess.Popen(
            # -P: what lies beside the program is not to be imported in the place of other modules.
            dying_with_parent((sys.executable, "-P", str(_PROGRAM), str(folder / "commands"))),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            # The width of what is printed is asked for when the command is imported.
            env={**os.environ, "COLUMNS": "250"},
            process_group=0,
        ),
        folder,
    )
    atexit.register(server.stop)
    return server
