"""One process of a run, from the outside: what it tells, how it ended, how it is ended."""

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from typing import Final

from sightwire_trainer.jobs.order import RUN_MESSAGES, RunMessage, RunOrder

_LONGEST_LINE_BYTES: Final = 1024 * 1024


class RunProcess:
    """Start it with `start`, read its messages to their end, then `wait` for its exit status."""

    def __init__(self, process: Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, order: RunOrder) -> "RunProcess":
        """Starts a process that carries out `order` and dies with this one."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "sightwire_trainer.jobs.carry_out",
            str(os.getpid()),
            stdin=PIPE,
            stdout=PIPE,
            limit=_LONGEST_LINE_BYTES,
            # Ctrl-C is for this process, which then asks the run to end.
            start_new_session=True,
        )
        assert process.stdin is not None, "it was asked for"
        # A process that has died already says so when its messages are read.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            process.stdin.write(order.model_dump_json().encode())
            await process.stdin.drain()
        process.stdin.close()
        return cls(process)

    @property
    def process_id(self) -> int:
        return self._process.pid

    async def messages(self) -> AsyncIterator[RunMessage]:
        """What the run tells, until its process ends. A line that was cut off by its death is left out."""
        assert self._process.stdout is not None, "it was asked for"
        async for line in self._process.stdout:
            if line.endswith(b"\n"):
                yield RUN_MESSAGES.validate_json(line)

    async def wait(self) -> int:
        """The exit status; that of a killed process is the negative number of the signal."""
        return await self._process.wait()

    def ask_to_end(self) -> None:
        """It ends after the step at hand, with a checkpoint."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """It ends at once; the run can go on from its last checkpoint."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
