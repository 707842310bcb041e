"""One process that is started, watched, restarted when it dies, and stopped when asked."""

import asyncio
import contextlib
import os
import shutil
import signal
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sightwire.platform.errors import PlatformError
from sightwire.platform.parent_death import dying_with_parent
from sightwire.platform.process_log import LogLine, ProcessLog, lines_of_pipe, read_log_line
from sightwire.platform.restarts import GiveUp, RestartPolicy, decide_after_exit, describe_exit

_LINES_REMEMBERED = 8
_READINESS_POLL_SECONDS = 0.05


class ProcessState(StrEnum):
    """Where a process is in its life."""

    WAITING = "waiting"  # not started yet
    STARTING = "starting"
    READY = "ready"
    RESTARTING = "restarting"  # died; waits for its next start
    STOPPED = "stopped"  # asked to end, and ended
    FAILED = "failed"  # died, and will not be started again


@dataclass(frozen=True)
class ProcessSpec:
    """What to run. `is_ready` asks the running process; it is called until it says yes."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    log_path: Path
    is_ready: Callable[[], Awaitable[bool]]
    #: How long it may drain after SIGTERM before it is killed.
    stop_seconds: float = 15.0


@dataclass(frozen=True)
class ProcessEvent:
    """Something that the platform's owner may want to know of a process."""

    name: str
    state: ProcessState
    message: str
    is_log_line: bool = False


class SupervisedProcess:
    """Keeps the process of one `ProcessSpec` running from `start` to `stop`."""

    def __init__(
        self,
        spec: ProcessSpec,
        *,
        policy: RestartPolicy | None = None,
        on_event: Callable[[ProcessEvent], None] = lambda _event: None,
    ) -> None:
        self.spec = spec
        self.state = ProcessState.WAITING
        self.restarts = 0
        self._policy = policy or RestartPolicy()
        self._on_event = on_event
        self._process: asyncio.subprocess.Process | None = None
        self._log = ProcessLog(spec.log_path)
        self._last_lines: deque[str] = deque(maxlen=_LINES_REMEMBERED)
        self._stopping = asyncio.Event()
        self._ready = asyncio.Event()
        self._was_ever_ready = False
        self._keeping_alive: asyncio.Task[None] | None = None

    @property
    def process_id(self) -> int | None:
        """The id of the process that runs now."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if self._process is not None and running else None

    def start(self) -> None:
        """Start the process and keep it running; returns at once."""
        assert self._keeping_alive is None, f"{self.spec.name} was started before"
        self._keeping_alive = asyncio.create_task(self._keep_alive(), name=f"supervise {self.spec.name}")

    async def wait_until_ready(self, deadline: float) -> None:
        """Return once the process is ready.

        Raises PlatformError with the end of its log when it will not be started again, or after `deadline` seconds.
        """
        assert self._keeping_alive is not None, f"{self.spec.name} was not started"
        readiness = asyncio.create_task(self._ready.wait())
        try:
            await asyncio.wait({readiness, self._keeping_alive}, timeout=deadline, return_when=asyncio.FIRST_COMPLETED)
        finally:
            readiness.cancel()
        if self._ready.is_set():
            return
        if self._keeping_alive.done():
            self._keeping_alive.result()
        raise PlatformError(f"{self.spec.name} was not ready within {deadline:g} s\n{self._log_end()}")

    async def wait_until_given_up(self) -> None:
        """Return when the process was stopped; raise PlatformError when it failed for good."""
        assert self._keeping_alive is not None, f"{self.spec.name} was not started"
        await asyncio.shield(self._keeping_alive)

    async def stop(self) -> None:
        """Ask the process to drain and end, kill it when it takes too long. Does nothing when none runs."""
        self._stopping.set()
        if self._keeping_alive is None:
            return
        process = self._process
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(self.spec.stop_seconds):
                    await process.wait()
            except TimeoutError:
                self._tell(f"did not end within {self.spec.stop_seconds:g} s of SIGTERM and was killed")
                _kill_group(process.pid)
        with contextlib.suppress(PlatformError):
            await self._keeping_alive

    async def _keep_alive(self) -> None:
        failures = 0
        try:
            while True:
                started_at = time.monotonic()
                exit_status = await self._run_once()
                if self._stopping.is_set():
                    self._change_state(ProcessState.STOPPED, describe_exit(exit_status))
                    return
                decision = decide_after_exit(
                    self._policy,
                    exit_status=exit_status,
                    ran_for=time.monotonic() - started_at,
                    failures_before=failures,
                    was_ever_ready=self._was_ever_ready,
                )
                if isinstance(decision, GiveUp):
                    reason = f"{describe_exit(exit_status)}; not started again: {decision.reason}"
                    self._change_state(ProcessState.FAILED, reason)
                    raise PlatformError(f"{self.spec.name} failed ({reason})\n{self._log_end()}")
                failures = decision.failures_in_a_row
                self.restarts += 1
                self._change_state(
                    ProcessState.RESTARTING, f"{describe_exit(exit_status)}; next start in {decision.delay:g} s"
                )
                if await self._stopped_within(decision.delay):
                    self._change_state(ProcessState.STOPPED, "stopped while waiting for a restart")
                    return
        finally:
            self._log.close()

    async def _run_once(self) -> int:
        """Run the process to its end; its exit status, negative for a signal."""
        self._ready.clear()
        self.state = ProcessState.STARTING
        if shutil.which(self.spec.command[0]) is None:
            raise PlatformError(f"{self.spec.name} cannot be started: there is no program {self.spec.command[0]}")
        # A pipe of our own: asyncio's waits for a process only return once nobody holds its pipes open, which workers
        # left behind by a killed process would do for ever.
        output_end, input_end = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *dying_with_parent(self.spec.command),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=input_end,
                stderr=input_end,
                env=dict(self.spec.environment),
                # A session of its own: Ctrl-C in the terminal reaches the supervisor alone, which stops everything
                # in order; and workers that the process leaves behind when it is killed can be ended with it.
                start_new_session=True,
            )
        except OSError as error:
            os.close(output_end)
            command = " ".join(self.spec.command)
            raise PlatformError(f"{self.spec.name} cannot be started: {command}: {error}") from error
        finally:
            os.close(input_end)
        self._process = process
        if self._stopping.is_set():
            # stop() came between the decision to start and the start, and saw no process to end.
            process.terminate()
        self._change_state(ProcessState.STARTING, f"started as process {process.pid}")
        watching = asyncio.create_task(self._watch_readiness(process), name=f"readiness of {self.spec.name}")
        reading = asyncio.create_task(self._keep_output(output_end), name=f"output of {self.spec.name}")
        try:
            exit_status = await process.wait()
            _kill_group(process.pid)
            await reading
        finally:
            for task in (watching, reading):
                task.cancel()
            if process.returncode is None:
                _kill_group(process.pid)
        return exit_status

    async def _watch_readiness(self, process: asyncio.subprocess.Process) -> None:
        started_at = time.monotonic()
        while process.returncode is None and not self._stopping.is_set():
            if await self.spec.is_ready():
                self._was_ever_ready = True
                self._change_state(ProcessState.READY, f"ready after {time.monotonic() - started_at:.1f} s")
                self._ready.set()
                return
            await asyncio.sleep(_READINESS_POLL_SECONDS)

    async def _keep_output(self, output_end: int) -> None:
        async for line in lines_of_pipe(output_end):
            self._keep_line(read_log_line(line, self.spec.name))

    def _keep_line(self, line: LogLine) -> None:
        self._log.append(line.kept)
        if line.message.strip():
            self._last_lines.append(line.message)
        if line.is_error:
            self._on_event(ProcessEvent(self.spec.name, self.state, line.message, is_log_line=True))

    def _change_state(self, state: ProcessState, message: str) -> None:
        self.state = state
        self._tell(message)

    def _tell(self, message: str) -> None:
        self._on_event(ProcessEvent(self.spec.name, self.state, message))

    def _log_end(self) -> str:
        lines = "\n".join(f"  {line}" for line in self._last_lines)
        return (
            f"{lines}\n  (all of it: {self.spec.log_path})" if lines else f"  (its log {self.spec.log_path} is empty)"
        )

    async def _stopped_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return False
        return True


def _kill_group(process_id: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process_id, signal.SIGKILL)
