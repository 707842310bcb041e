"""How large files travel: uploads in parts, downloads in chunks, neither with more than a few MiB in memory."""

from typing import Final

#: Parts of one upload that are in memory, and on their way, at once.
PARTS_AT_ONCE: Final = 4
DOWNLOAD_CHUNK_BYTES: Final = 1024 * 1024

_MEBIBYTE: Final = 1024 * 1024
_SMALLEST_PART: Final = 8 * _MEBIBYTE
#: S3 takes no more of one upload.
_MOST_PARTS: Final = 10_000


def part_bytes(size: int) -> int:
    """Bytes of each part of an upload of `size` bytes: what is not larger than one travels whole.

    Whole MiB; 8 up to 78 GiB, then as many as the largest number of parts asks for.
    """
    needed = -(-size // _MOST_PARTS)
    return max(_SMALLEST_PART, -(-needed // _MEBIBYTE) * _MEBIBYTE)
