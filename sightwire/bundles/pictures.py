"""From a picture file's bytes to upright RGB pixels, with limits that hold before anything is decoded."""

import io
import warnings
from dataclasses import dataclass

from PIL import Image, ImageOps, UnidentifiedImageError

from sightwire.errors import InvalidPictureError, TooLargeError

#: Formats that are tried, by Pillow's names. JPEG covers the multi-picture files of phones; of animations the first
#: frame counts.
PICTURE_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")

_ORIENTATION_TAG = 0x0112
#: EXIF orientations that swap width and height.
_TRANSPOSED_ORIENTATIONS = frozenset({5, 6, 7, 8})
_HIGH_PRECISION_GREYS = ("I;16", "I;16B", "I;16L", "I;16N")


@dataclass(frozen=True, slots=True)
class PictureLimits:
    """What is refused, and how much detail is kept."""

    max_bytes: int = 32 * 1024 * 1024
    #: Width times height of the file's header; checked before decoding, so that a small file cannot fill the memory.
    max_pixels: int = 90_000_000
    #: Larger pictures are reduced by a whole factor as long as their longer side keeps this many pixels, which bounds
    #: the memory of pictures in flight; a JPEG is not even decoded at full size.
    enough_pixels_per_side: int = 1664


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture, upright; `pixels` (mode RGB) may be reduced, `width` and `height` are the file's."""

    pixels: Image.Image
    width: int
    height: int
    media_type: str


def decode_picture(data: bytes, limits: PictureLimits, background: tuple[int, int, int] = (255, 255, 255)) -> Picture:
    """Decodes the whole picture; transparency is laid on `background`.

    Raises `TooLargeError` over a limit, `InvalidPictureError` when the bytes are not a whole picture of a known format.
    """
    if not data:
        raise InvalidPictureError("expected a picture, got 0 bytes")
    if len(data) > limits.max_bytes:
        raise TooLargeError(f"a picture may have {limits.max_bytes:,} bytes, this one has {len(data):,}")
    try:
        with warnings.catch_warnings():
            # Pillow warns about bombs at a limit of its own; ours is checked below, on the header alone.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=PICTURE_FORMATS)
        _check_pixel_count(image.width * image.height, limits)
        return _decode(image, limits, background)
    except UnidentifiedImageError:
        raise InvalidPictureError(
            f"the {len(data):,} bytes are not a picture in a known format ({', '.join(PICTURE_FORMATS)})"
        ) from None
    except Image.DecompressionBombError as error:
        raise TooLargeError(f"a picture may have {limits.max_pixels:,} pixels: {error}") from None
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, ArithmeticError) as error:
        # What Pillow's plugins raise for damaged files is not one class.
        raise InvalidPictureError(f"the picture is truncated or damaged: {error}") from error


def _check_pixel_count(pixel_count: int, limits: PictureLimits) -> None:
    if pixel_count > limits.max_pixels:
        raise TooLargeError(f"a picture may have {limits.max_pixels:,} pixels, this one has {pixel_count:,}")


def _decode(image: Image.Image, limits: PictureLimits, background: tuple[int, int, int]) -> Picture:
    stored_width, stored_height = image.size
    media_type = Image.MIME.get(image.format or "", "application/octet-stream")
    _draft(image, limits.enough_pixels_per_side)
    image.load()
    orientation = image.getexif().get(_ORIENTATION_TAG, 1)
    upright = ImageOps.exif_transpose(image) if orientation != 1 else image
    pixels = _reduced(_rgb(upright, background), limits.enough_pixels_per_side)
    if orientation in _TRANSPOSED_ORIENTATIONS:
        return Picture(pixels, stored_height, stored_width, media_type)
    return Picture(pixels, stored_width, stored_height, media_type)


def _draft(image: Image.Image, enough_pixels_per_side: int) -> None:
    """Lets a large JPEG be decoded at a fraction of its size, which its format makes several times cheaper."""
    longer_side = max(image.size)
    if longer_side < 2 * enough_pixels_per_side:
        return
    # Pillow picks the smallest of its sizes that is still at least what was asked for, on both sides.
    wanted = [max(1, side * enough_pixels_per_side // longer_side) for side in image.size]
    image.draft(None, (wanted[0], wanted[1]))


def _reduced(pixels: Image.Image, enough_pixels_per_side: int) -> Image.Image:
    factor = max(pixels.size) // enough_pixels_per_side
    return pixels.reduce(factor) if factor >= 2 else pixels


def _rgb(image: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.has_transparency_data:
        with_alpha = image.convert("RGBA")
        opaque = Image.new("RGB", image.size, background)
        opaque.paste(with_alpha, mask=with_alpha.getchannel("A"))
        return opaque
    if image.mode in _HIGH_PRECISION_GREYS:
        # A plain conversion would clip 16 bits at 255 instead of scaling them.
        return image.point(lambda value: value / 256).convert("L").convert("RGB")
    return image.convert("RGB")
