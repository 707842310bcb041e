"""Makes files of a local blob store survive a power cut: the object store library renames, but does not sync."""

import asyncio
import os
from pathlib import Path


async def make_durable(root: Path, key: str) -> None:
    """Flushes the object `key` and the folders that lead to it, outside the event loop."""
    await asyncio.to_thread(sync_object, root, key)


def sync_object(root: Path, key: str) -> None:
    """Flushes the file `root`/`key`, then every folder up to `root`: the entry of a new folder must be kept too."""
    path = root / key
    _sync(path)
    for folder in path.parents:
        _sync(folder)
        if folder == root:
            return


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
