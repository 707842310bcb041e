"""Validates pictures by decoding them, and makes thumbnails; plain functions, to be called in threads."""

import hashlib
import io
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageOps, UnidentifiedImageError

from sightwire.errors import InvalidPictureError, TooLargeError
from sightwire.security.picture_types import PICTURE_TYPES, SNIFF_BYTES, sniff_picture

# Pixels are counted below, by a limit of our own, before anything is decoded.
Image.MAX_IMAGE_PIXELS = None

_FORMAT_BY_TYPE: Final = {
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/webp": "WEBP",
    "image/gif": "GIF",
    "image/bmp": "BMP",
    "image/tiff": "TIFF",
    "image/avif": "AVIF",
}
_ORIENTATION_TAG: Final = 0x0112
#: EXIF orientations that turn the picture by a quarter.
_TURNED: Final = frozenset({5, 6, 7, 8})
_THUMBNAIL_QUALITY: Final = 80
# JPEG decodes at an eighth of its size much faster, and still reads every byte of the file.
_SMALLEST_DRAFT: Final = (1, 1)


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """What decoding a picture told: its type by content, and its size in pixels with EXIF orientation applied."""

    sha256: str
    media_type: str
    width: int
    height: int


def inspect_picture(data: bytes, *, max_pixels: int) -> PictureFacts:
    """Decodes a whole picture and forgets the pixels.

    Raises:
        InvalidPictureError: empty, not a picture, of another format, or truncated.
        TooLargeError: more pixels than `max_pixels`, known before decoding.
    """
    image, media_type = _open(data, max_pixels=max_pixels)
    width, height = image.size
    try:
        turned = image.getexif().get(_ORIENTATION_TAG) in _TURNED
        image.draft(image.mode, _SMALLEST_DRAFT)
        image.load()
    except Exception as error:
        raise _broken(error, len(data)) from None
    finally:
        image.close()
    if turned:
        width, height = height, width
    return PictureFacts(hashlib.sha256(data).hexdigest(), media_type, width, height)


def make_thumbnail(data: bytes, *, size: int, max_pixels: int) -> bytes:
    """A WebP of the picture, upright, at most `size` pixels wide and high, never enlarged.

    Raises:
        InvalidPictureError, TooLargeError: as `inspect_picture`.
    """
    image, _ = _open(data, max_pixels=max_pixels)
    try:
        image.draft(image.mode, (size, size))
        upright = ImageOps.exif_transpose(image)
        has_alpha = "A" in upright.getbands() or "transparency" in upright.info
        upright = upright.convert("RGBA" if has_alpha else "RGB")
        upright.thumbnail((size, size), Image.Resampling.LANCZOS)
        file = io.BytesIO()
        upright.save(file, "WEBP", quality=_THUMBNAIL_QUALITY)
    except Exception as error:
        raise _broken(error, len(data)) from None
    finally:
        image.close()
    return file.getvalue()


def _open(data: bytes, *, max_pixels: int) -> tuple[Image.Image, str]:
    """The picture with its header read, but no pixel decoded."""
    if not data:
        raise InvalidPictureError("the picture has 0 bytes; send the bytes of a picture file")
    media_type = sniff_picture(data[:SNIFF_BYTES])
    if media_type is None:
        raise InvalidPictureError(
            f"these {len(data)} bytes are not a picture: they begin with {data[:12]!r}, "
            f"expected one of {', '.join(PICTURE_TYPES)}"
        )
    try:
        # Only the decoder for what the bytes are: each one less is less to attack.
        image = Image.open(io.BytesIO(data), formats=(_FORMAT_BY_TYPE[media_type],))
    except UnidentifiedImageError:
        raise InvalidPictureError(
            f"these {len(data)} bytes begin like {media_type}, but their header is broken or cut off"
        ) from None
    except Exception as error:
        raise _broken(error, len(data)) from None
    width, height = image.size
    if width * height > max_pixels:
        image.close()
        raise TooLargeError(f"the picture has {width} x {height} = {width * height} pixels, the limit is {max_pixels}")
    return image, media_type


def _broken(error: Exception, size: int) -> InvalidPictureError:
    # Decoders raise all kinds of exceptions for broken files: OSError, SyntaxError, ValueError, struct.error, …
    return InvalidPictureError(f"the picture cannot be decoded, it is truncated or broken ({size} bytes): {error}")
