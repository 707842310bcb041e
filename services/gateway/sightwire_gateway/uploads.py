"""Uploaded pictures, alone or in forms together with JSON."""

from dataclasses import dataclass

from starlette.requests import Request

from sightwire.errors import InvalidInputError
from sightwire_gateway.bodies import BodyReader, media_type_of
from sightwire_gateway.errors import UnsupportedMediaTypeError
from sightwire_gateway.multipart import OVERHEAD_BYTES, FormReader

FORM = "multipart/form-data"


@dataclass(frozen=True, slots=True)
class UploadedForm:
    """A form with a picture and, if the caller sent it, a JSON part."""

    picture: bytes | None
    filename: str
    document: bytes | None


def is_form(request: Request) -> bool:
    """Whether the body is a multipart form."""
    return media_type_of(request) == FORM


async def read_form(request: Request, bodies: BodyReader, *, document_part: str | None = None) -> UploadedForm:
    """A form with the file part `image` and perhaps a JSON part.

    Args:
        request: whose body is read.
        bodies: with the limits.
        document_part: name of the JSON part; None when the route takes none.

    Raises:
        UnsupportedMediaTypeError: not a form.
        MalformedRequestError, InvalidInputError, TooLargeError: see `FormReader.read`.
    """
    if not is_form(request):
        raise UnsupportedMediaTypeError(
            f"this route takes {FORM} with a file part 'image', got {media_type_of(request) or 'no content type'!r}"
        )
    limits = {"image": bodies.limits.picture_bytes}
    if document_part is not None:
        limits[document_part] = bodies.limits.json_bytes
    total = sum(limits.values()) + OVERHEAD_BYTES
    reader = FormReader(request.headers["content-type"], limits)
    async with bodies.upload_slot():
        parts = await reader.read(bodies.stream(request, total, what="form"))
    image = parts.get("image")
    document = parts.get(document_part) if document_part is not None else None
    return UploadedForm(
        picture=bytes(image.data) if image is not None else None,
        filename=image.filename if image is not None else "",
        document=bytes(document.data) if document is not None else None,
    )


async def read_form_picture(request: Request, bodies: BodyReader) -> tuple[bytes, str]:
    """Bytes and file name of a form that is a picture.

    Raises:
        InvalidInputError: it has no part `image`; or as `read_form`.
    """
    form = await read_form(request, bodies)
    if form.picture is None:
        raise InvalidInputError("the form needs a file part 'image'")
    return form.picture, form.filename


async def read_raw_picture(request: Request, bodies: BodyReader) -> bytes:
    """A body that is a picture's bytes.

    Raises:
        UnsupportedMediaTypeError: called something else than a picture.
        TooLargeError: over the limit.
    """
    media_type = media_type_of(request)
    if media_type and not media_type.startswith("image/") and media_type != "application/octet-stream":
        raise UnsupportedMediaTypeError(
            f"this route takes a picture's bytes (image/… or application/octet-stream), got {media_type!r}"
        )
    async with bodies.upload_slot():
        return await bodies.read(request, bodies.limits.picture_bytes, what="picture")
