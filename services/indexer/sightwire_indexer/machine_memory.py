"""How much memory there is for this process and its children, and how much a process has taken."""

import os
import re
from pathlib import Path
from typing import Final

#: Where a container's limit is: cgroups of version 2 and of version 1.
_LIMIT_FILES: Final = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
#: Mapped files are left out: the system drops them when it needs the memory.
_ALLOCATED: Final = re.compile(r"^RssAnon:\s+(\d+) kB$", re.MULTILINE)


def machine_memory_bytes() -> int:
    """Memory of the machine, or of the container if it is allowed less."""
    installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([installed, *(limit for file in _LIMIT_FILES if (limit := _limit_in(file)) is not None)])


def allocated_bytes(pid: int) -> int:
    """Memory of a process that is no copy of a file; 0 once it has ended, and where it cannot be measured."""
    try:
        allocated = _ALLOCATED.search(Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(allocated[1]) * 1024 if allocated is not None else 0


def _limit_in(file: Path) -> int | None:
    try:
        text = file.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None
