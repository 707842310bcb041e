"""What this process has of what the system limits, as `/proc` tells it."""

import os
import resource
from dataclasses import dataclass
from pathlib import Path

from sightwire_indexer.machine_memory import allocated_bytes, machine_memory_bytes

_PROCESS = Path("/proc/self")
_MAX_MAPS = Path("/proc/sys/vm/max_map_count")


@dataclass(frozen=True, slots=True)
class Usage:
    """So much of a limit."""

    used: int
    limit: int


@dataclass(frozen=True, slots=True)
class ProcessUsage:
    """Open files, mapped regions, and bytes of memory that cannot be dropped."""

    files: Usage
    maps: Usage
    memory: Usage


def measure_process() -> ProcessUsage:
    """Raises OSError where there is no `/proc`; blocks for some milliseconds where much is mapped."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    with (_PROCESS / "maps").open("rb") as maps:
        mapped = sum(1 for _ in maps)
    return ProcessUsage(
        files=Usage(sum(1 for _ in (_PROCESS / "fd").iterdir()), soft),
        maps=Usage(mapped, int(_MAX_MAPS.read_text())),
        memory=Usage(allocated_bytes(os.getpid()), machine_memory_bytes()),
    )
