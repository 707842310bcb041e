"""Pictures and thumbnails on their way out: validators, ranges, caching."""

from typing import Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from sightwire.blobs import BlobStore
from sightwire.blobs.pictures import picture_key
from sightwire.errors import NotFoundError
from sightwire_gateway.byte_ranges import parse_range
from sightwire_gateway.documents import VERSION_CHARACTERS

#: For addresses that name the picture's content (`?v=`), which never changes.
_FOR_EVER: Final = "private, max-age=31536000, immutable"
_ASK_AGAIN: Final = "private, no-cache"
_STREAMED_BYTES: Final = 1024 * 1024
_THUMBNAIL_TYPE: Final = "image/webp"


async def picture_answer(
    request: Request, blobs: BlobStore, *, sha256: str, media_type: str, filename: str
) -> Response:
    """A stored picture, or the part of it that the request asks for, or 304 when the caller has it.

    Raises:
        NotFoundError: its bytes are gone.
        RangeNotSatisfiableError: a range outside of it.
    """
    etag = f'"{sha256}"'
    headers = _headers(request, sha256, etag)
    headers["accept-ranges"] = "bytes"
    if filename:
        headers["content-disposition"] = f"inline; filename*=utf-8''{quote(filename, safe='')}"
    if _has_it(request, etag):
        return Response(status_code=304, headers=headers)
    key = picture_key(sha256)
    size = await blobs.size(key)
    if size is None:
        raise NotFoundError(f"the bytes of picture {sha256} are missing in the blob store")
    part = parse_range(request.headers.get("range"), size) if _wants_part(request, etag) else None
    if part is not None:
        start, length = part
        headers["content-range"] = f"bytes {start}-{start + length - 1}/{size}"
        return Response(await blobs.get_range(key, start, length), 206, headers=headers, media_type=media_type)
    if size <= _STREAMED_BYTES:
        return Response(await blobs.get(key), headers=headers, media_type=media_type)
    headers["content-length"] = str(size)
    return StreamingResponse(blobs.stream(key), headers=headers, media_type=media_type)


def thumbnail_answer(request: Request, thumbnail: bytes, *, sha256: str, size: int) -> Response:
    """A thumbnail, or 304 when the caller has it."""
    etag = f'"{sha256}-{size}"'
    headers = _headers(request, sha256, etag)
    if _has_it(request, etag):
        return Response(status_code=304, headers=headers)
    return Response(thumbnail, headers=headers, media_type=_THUMBNAIL_TYPE)


def _headers(request: Request, sha256: str, etag: str) -> dict[str, str]:
    version = request.query_params.get("v", "")
    names_content = len(version) >= VERSION_CHARACTERS and sha256.startswith(version)
    return {
        "etag": etag,
        "cache-control": _FOR_EVER if names_content else _ASK_AGAIN,
        "x-content-type-options": "nosniff",
        "content-security-policy": "default-src 'none'; sandbox",
    }


def _has_it(request: Request, etag: str) -> bool:
    offered = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    return etag in offered or "*" in offered


def _wants_part(request: Request, etag: str) -> bool:
    return request.headers.get("if-range", etag) == etag
