"""The process that measures one engine, and its turns: engines that are compared most closely take turns in the same
minutes, so that whatever else the machine does meets all of them alike.
"""

import contextlib
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from bench.search.catalogue import EngineEntry
from bench.search.peers.installing import PACKAGES, NotAvailableError

#: What the process prints when it waits for its next turn, and what it is told then.
TURN: Final = "turn"
_REPOSITORY: Final = Path(__file__).parents[2]
#: What an engine may take for its index, or for one turn: so long, and so long more for each vector.
_STEP_SECONDS: Final = 300.0
_VECTOR_SECONDS: Final = 0.01
_ERROR_TAIL: Final = 300


class EngineProcess:
    """Starts measuring at once; its first turn comes when its index is built and its efforts are found."""

    def __init__(self, entry: EngineEntry, task: Path, result: Path, vectors: int, *, quick: bool) -> None:
        """Raises NotAvailableError when what the engine needs cannot be installed."""
        for each in entry.needs:
            each.installed()
        self.entry = entry
        self._limit_seconds = _STEP_SECONDS + _VECTOR_SECONDS * vectors
        self._log = result.with_suffix(".log")
        python = PACKAGES.installed() / "bin/python" if entry.is_peer else Path(sys.executable)
        options = ["--quick"] if quick else []
        command = [str(python), "-m", "bench.search.measuring", entry.name, str(task), str(result), "--turns", *options]
        with self._log.open("wb") as log:
            # Unbuffered: nothing may be left in a buffer while `select` is asked whether something comes.
            self._process = subprocess.Popen(
                command, cwd=_REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, bufsize=0
            )

    def take_turn(self) -> None:
        """Lets it take the turn that it wants; `wants_turn` then waits for the end of it."""
        assert self._process.stdin is not None, "it is a pipe"
        # One that has died since says so when it is waited for.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(f"{TURN}\n".encode())

    def wants_turn(self) -> bool:
        """Waits until it wants its next turn, or has finished: then not.

        Raises:
            NotAvailableError: it failed, or took too long.
        """
        assert self._process.stdout is not None, "it is a pipe"
        ends = time.monotonic() + self._limit_seconds
        line = b"\n"
        while line:
            readable, _, _ = select.select([self._process.stdout], [], [], max(0.0, ends - time.monotonic()))
            if not readable:
                self.stop()
                raise NotAvailableError(f"it had not finished a step after {self._limit_seconds:.0f} s")
            line = self._process.stdout.readline()
            if line.decode(errors="replace").strip() == TURN:
                return True
        if self._process.wait():
            raise NotAvailableError(self._reason())
        return False

    def stop(self) -> None:
        """As Ctrl-C would, so that it ends the server that it has started."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait()

    def _reason(self) -> str:
        errors = self._log.read_text(encoding="utf-8", errors="replace")
        print(errors, file=sys.stderr, flush=True)
        lines = errors.strip().splitlines() or [f"it ended with {self._process.returncode}"]
        return lines[-1][-_ERROR_TAIL:]
