"""Memory of processes, as Linux tells it."""

import os
from pathlib import Path


def resident_bytes(process_id: int) -> int:
    """What of a process is in memory now, files that it has mapped included."""
    return _status_bytes(process_id, "VmRSS")


def anonymous_bytes(process_id: int) -> int:
    """What of a process is in memory now without being a file's."""
    return _status_bytes(process_id, "RssAnon")


def own_resident_bytes() -> int:
    """The same of this process, for an engine that lives in it."""
    return resident_bytes(os.getpid())


def _status_bytes(process_id: int, name: str) -> int:
    for line in Path(f"/proc/{process_id}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"process {process_id} has no {name}: it has ended")
