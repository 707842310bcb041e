"""The data directory of a platform: who uses it now, and where its processes are.

Layout: `nats/` (streams and credentials), `blobs/` (pictures and indexes), `backups/` (of indexes), `orchestrator/`
(its database), `cache/`, `logs/`, and `run/` with `platform.json`, which exists while the platform runs.
"""

import fcntl
import os
from pathlib import Path
from typing import IO

from pydantic import BaseModel, ConfigDict, ValidationError

from sightwire.platform.errors import PlatformError
from sightwire.platform.private_files import write_private_file

DATA_DIRECTORY_VARIABLE = "SIGHTWIRE_DATA_DIR"
DEFAULT_DATA_DIRECTORY = Path("data")


class ProcessInfo(BaseModel):
    """One process of the running platform."""

    model_config = ConfigDict(frozen=True)

    name: str
    pid: int | None
    state: str
    restarts: int = 0
    #: Base URL of /livez, /readyz and /metrics; none for the NATS server.
    operations_url: str | None = None
    #: Address of what the process serves to the others, such as host:port of gRPC.
    address: str | None = None
    log: str = ""


class PlatformInfo(BaseModel):
    """What `run/platform.json` says; it holds no credentials."""

    model_config = ConfigDict(frozen=True)

    version: str
    supervisor_pid: int
    started_at: str
    data_directory: str
    gateway_url: str
    nats_url: str
    processes: tuple[ProcessInfo, ...] = ()


class DataDirectory:
    """One platform's folder; at most one platform uses it at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock: IO[str] | None = None

    @property
    def blobs(self) -> Path:
        return self.path / "blobs"

    @property
    def backups(self) -> Path:
        return self.path / "backups"

    @property
    def orchestrator(self) -> Path:
        return self.path / "orchestrator"

    @property
    def cache(self) -> Path:
        return self.path / "cache"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def info_path(self) -> Path:
        return self.path / "run" / "platform.json"

    def lock(self) -> None:
        """Take the directory for this process until `unlock` or its end, whatever that end is.

        Raises PlatformError when another platform runs on it, or when it cannot be written.
        """
        try:
            self.info_path.parent.mkdir(parents=True, exist_ok=True)
            lock = (self.info_path.parent / "lock").open("a+", encoding="utf-8")
        except OSError as error:
            raise PlatformError(f"the data directory {self.path} cannot be used: {error}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            lock.close()
            raise PlatformError(
                f"a platform already runs on {self.path} (process {owner}); "
                f"stop it, or give this one another directory with --data-dir"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock

    def unlock(self) -> None:
        """Let another platform use the directory."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    @property
    def is_in_use(self) -> bool:
        """Whether a platform runs on this directory, in this process or another."""
        path = self.info_path.parent / "lock"
        if not path.exists():
            return False
        with path.open("r", encoding="utf-8") as probe:
            try:
                fcntl.flock(probe, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def write_info(self, info: PlatformInfo) -> None:
        """Publish the addresses of the running platform."""
        write_private_file(self.info_path, info.model_dump_json(indent=2))

    def remove_info(self) -> None:
        """Say that no platform runs here any more."""
        self.info_path.unlink(missing_ok=True)

    def read_info(self) -> PlatformInfo | None:
        """The running platform; None when there is none (a file left behind by a killed one does not count)."""
        if not self.info_path.exists() or not self.is_in_use:
            return None
        try:
            return PlatformInfo.model_validate_json(self.info_path.read_bytes())
        except ValidationError as error:
            raise PlatformError(
                f"{self.info_path} cannot be read: {error}; stop the platform and start it again"
            ) from error


def default_data_directory() -> Path:
    """`SIGHTWIRE_DATA_DIR`, else the folder `data` where the command is run."""
    configured = os.environ.get(DATA_DIRECTORY_VARIABLE)
    return Path(configured) if configured else DEFAULT_DATA_DIRECTORY
