"""What the shared level stores of a value: two bytes that say how it was written, then the value, perhaps compressed.

The first byte stands for `msgpack` or `json`, the second for `none`, `gzip` or `zstd`: a reader needs no settings, so
that processes with different ones share entries.
"""

import io
import zlib
from typing import Final, Literal

import zstandard

from sightwire.cache.formats import Format
from sightwire.errors import CorruptDataError

Compression = Literal["none", "gzip", "zstd"]

#: No value is larger than this when unpacked: a few bytes in the server must not fill this process's memory.
MAX_VALUE_BYTES: Final = 64 * 1024 * 1024

_FORMAT_BYTES: Final[dict[Format, int]] = {"msgpack": ord("m"), "json": ord("j")}
_COMPRESSION_BYTES: Final[dict[Compression, int]] = {"none": ord("-"), "gzip": ord("g"), "zstd": ord("z")}
_FORMATS: Final[dict[int, Format]] = {byte: name for name, byte in _FORMAT_BYTES.items()}
_COMPRESSIONS: Final[dict[int, Compression]] = {byte: name for name, byte in _COMPRESSION_BYTES.items()}
_HEADER_BYTES: Final = 2
_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS


def pack(value: bytes, value_format: Format, compression: Compression, compress_above_bytes: int) -> bytes:
    """The envelope of an encoded value, compressed if it is larger than `compress_above_bytes` and gains by it."""
    if compression == "none" or len(value) <= compress_above_bytes:
        return _header(value_format, "none") + value
    compressed = _compress(value, compression)
    if len(compressed) >= len(value):
        return _header(value_format, "none") + value
    return _header(value_format, compression) + compressed


def unpack(envelope: bytes) -> tuple[bytes, Format]:
    """The encoded value and its format.

    Raises:
        CorruptDataError: not an envelope, cut short, damaged, or too large.
    """
    header = envelope[:_HEADER_BYTES]
    if len(header) < _HEADER_BYTES or header[0] not in _FORMATS or header[1] not in _COMPRESSIONS:
        raise CorruptDataError(
            f"a cached value should start with its format and compression, but starts with {header!r}"
        )
    body = envelope[_HEADER_BYTES:]
    return _decompress(body, _COMPRESSIONS[header[1]]), _FORMATS[header[0]]


def uncompressed(envelope: bytes) -> bytes:
    """The same envelope with nothing to decompress, as the memory level keeps it.

    Raises:
        CorruptDataError: as `unpack`.
    """
    value, value_format = unpack(envelope)
    return _header(value_format, "none") + value


def _header(value_format: Format, compression: Compression) -> bytes:
    return bytes((_FORMAT_BYTES[value_format], _COMPRESSION_BYTES[compression]))


def _compress(value: bytes, compression: Compression) -> bytes:
    if compression == "gzip":
        compressor = zlib.compressobj(wbits=_GZIP_WINDOW)
        return compressor.compress(value) + compressor.flush()
    return zstandard.ZstdCompressor().compress(value)


def _decompress(body: bytes, compression: Compression) -> bytes:
    if compression == "none":
        return body
    try:
        value = _gunzip(body) if compression == "gzip" else _read_zstd(body)
    except (zlib.error, zstandard.ZstdError) as error:
        raise CorruptDataError(f"a cached value cannot be decompressed by {compression}: {error}") from error
    if len(value) > MAX_VALUE_BYTES:
        raise CorruptDataError(f"a cached value is larger than {MAX_VALUE_BYTES} bytes when decompressed")
    return value


def _gunzip(body: bytes) -> bytes:
    decompressor = zlib.decompressobj(wbits=_GZIP_WINDOW)
    value = decompressor.decompress(body, MAX_VALUE_BYTES + 1)
    if not decompressor.eof and len(value) <= MAX_VALUE_BYTES:
        raise CorruptDataError("a cached value compressed by gzip ends early")
    return value


def _read_zstd(body: bytes) -> bytes:
    # A frame says how large its content is, so that a cut one is told from a short one.
    expected = zstandard.frame_content_size(body)
    with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(body)) as reader:
        value = reader.read(MAX_VALUE_BYTES + 1)
    if len(value) <= MAX_VALUE_BYTES and len(value) != expected:
        raise CorruptDataError(f"a cached value should decompress to {expected} bytes, but gives {len(value)}")
    return value
