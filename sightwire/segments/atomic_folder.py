"""Folders that appear whole or not at all, also after a power cut."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

#: Prefix of folders that are still being written, before the name that they will have; whoever finds an old one may
#: delete it, unless he knows that what it will be is still in the making.
TEMPORARY_PREFIX: Final = ".writing-"


@contextmanager
def atomic_folder(destination: Path) -> Iterator[Path]:
    """Gives a temporary folder next to `destination`; at the end its files are flushed and it takes the name.

    If the block fails, nothing remains.

    Raises:
        FileExistsError: `destination` exists.
    """
    if destination.exists():
        raise FileExistsError(f"{destination} exists; segments are immutable and never overwritten")
    destination.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f"{TEMPORARY_PREFIX}{destination.name}-", dir=destination.parent))
    try:
        yield temporary
        for file in temporary.iterdir():
            flush_to_disk(file)
        flush_to_disk(temporary)
        temporary.chmod(0o755)
        temporary.rename(destination)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    flush_to_disk(destination.parent)


def flush_to_disk(path: Path) -> None:
    """fsync of a file, or of a folder's list of names."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
