"""The benchmarks' corner of the user's cache folder: what is fetched, embedded or built once on a machine."""

import os
from pathlib import Path


def cache_folder(*parts: str) -> Path:
    """`$XDG_CACHE_HOME/sightwire/bench`, or a folder within it; it exists afterwards."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = root.joinpath("sightwire", "bench", *parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
