"""How much memory there is for this process and its children."""

import os
from pathlib import Path
from typing import Final

#: Where a container's limit is: cgroups of version 2 and of version 1.
_LIMIT_FILES: Final = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def machine_memory_bytes() -> int:
    """Memory of the machine, or of the container if it is allowed less."""
    installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([installed, *(limit for file in _LIMIT_FILES if (limit := _limit_in(file)) is not None)])


def _limit_in(file: Path) -> int | None:
    try:
        text = file.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None
