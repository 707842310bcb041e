"""A bound on the memory of processes, files that they read included: a control group of Linux."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_CONTROL_GROUPS = Path("/sys/fs/cgroup")


class NoMemoryCageError(Exception):
    """The memory of processes cannot be bounded here."""


class MemoryCage:
    """Processes that are put in share one bound; made by `memory_cage`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put_in(self, process_id: int) -> None:
        """From now on what the process takes counts; what it has taken already does not."""
        (self._folder / "cgroup.procs").write_text(str(process_id))


@contextmanager
def memory_cage(limit_bytes: int) -> Iterator[MemoryCage]:
    """A new control group within this process's own, removed in the end, when its processes must have ended.

    Raises:
        NoMemoryCageError: this user may not make one here.
    """
    first, limit_file = _own_group()
    folder = first / f"sightwire-bench-{os.getpid()}"
    try:
        folder.mkdir()
        (folder / limit_file).write_text(str(limit_bytes))
    except OSError as error:
        with suppress(OSError):
            folder.rmdir()
        raise NoMemoryCageError(f"{error}; try as root, or in a scope of one's own") from None
    try:
        yield MemoryCage(folder)
    finally:
        folder.rmdir()


def _own_group() -> tuple[Path, str]:
    """Folder of this process's group, and the name of the file that holds its bound."""
    lines = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()]
    for _number, controllers, path in lines:
        if "memory" in controllers.split(","):
            mount = _CONTROL_GROUPS / "memory"
            # In a container the path may be that of the host, which is not to be seen here.
            own = mount / path.lstrip("/")
            return (own if own.is_dir() else mount), "memory.limit_in_bytes"
    path = next((path for number, _controllers, path in lines if number == "0"), "/")
    return _CONTROL_GROUPS / path.lstrip("/"), "memory.max"
