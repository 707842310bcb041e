"""Files that only their owner may read: credentials, and configurations that contain them."""

import os
from pathlib import Path

_OWNER_READS_AND_WRITES = 0o600
_OWNER_ENTERS = 0o700


def make_private_directory(path: Path) -> Path:
    """Create `path` and its parents; `path` itself, which is returned, is closed to everybody but its owner."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(_OWNER_ENTERS)
    return path


def write_private_file(path: Path, content: str) -> None:
    """Replace `path` by `content` in one step; at no moment can another user read it."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    scratch.unlink(missing_ok=True)
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_READS_AND_WRITES)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)
