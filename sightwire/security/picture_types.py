"""Tells a picture's media type from its first bytes, whatever its sender calls it."""

from collections.abc import Callable

#: As many first bytes as `sniff_picture` needs.
SNIFF_BYTES = 32

PICTURE_TYPES = ("image/jpeg", "image/png", "image/webp", "image/gif", "image/bmp", "image/tiff", "image/avif")

# "BM" alone begins many texts.
_BMP_HEADER_SIZES = frozenset(size.to_bytes(4, "little") for size in (12, 40, 52, 56, 64, 108, 124))
_AVIF_BRANDS = frozenset({b"avif", b"avis", b"mif1", b"miaf"})

_SIGNATURES: tuple[tuple[str, Callable[[bytes], bool]], ...] = (
    ("image/jpeg", lambda head: head.startswith(b"\xff\xd8\xff")),
    ("image/png", lambda head: head.startswith(b"\x89PNG\r\n\x1a\n")),
    ("image/webp", lambda head: head.startswith(b"RIFF") and head[8:12] == b"WEBP"),
    ("image/gif", lambda head: head.startswith((b"GIF87a", b"GIF89a"))),
    ("image/bmp", lambda head: head.startswith(b"BM") and head[14:18] in _BMP_HEADER_SIZES),
    ("image/tiff", lambda head: head.startswith((b"II*\x00", b"MM\x00*"))),
    ("image/avif", lambda head: head[4:8] == b"ftyp" and head[8:12] in _AVIF_BRANDS),
)


def sniff_picture(head: bytes) -> str | None:
    """The media type that the first bytes announce, one of `PICTURE_TYPES`, or None.

    It is an early refusal of what is no picture at all; only decoding shows that the rest is whole.
    """
    first = head[:SNIFF_BYTES]
    for media_type, matches in _SIGNATURES:
        if matches(first):
            return media_type
    return None
