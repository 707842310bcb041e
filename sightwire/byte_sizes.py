"""Sizes for people."""

from typing import Final

_KIBI: Final = 1024


def bytes_text(count: float) -> str:
    """A size as people read it: 1.5 MiB."""
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < _KIBI:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= _KIBI
    return f"{size:.1f} TiB"
