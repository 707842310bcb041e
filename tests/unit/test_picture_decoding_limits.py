"""From files to upright RGB pixels; what is refused before and while decoding."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sightwire.bundles.pictures import PictureLimits, decode_picture
from sightwire.errors import InvalidPictureError, TooLargeError

LIMITS = PictureLimits()
PHOTOS = Path(__file__).parents[1] / "fixtures" / "photos"


def encoded(image: Image.Image, picture_format: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, picture_format, **options)
    return stream.getvalue()


def gradient(width: int, height: int) -> Image.Image:
    red = np.linspace(0, 255, width, dtype=np.uint8)[np.newaxis].repeat(height, 0)
    green = np.linspace(0, 255, height, dtype=np.uint8)[:, np.newaxis].repeat(width, 1)
    return Image.fromarray(np.stack([red, green, np.full_like(red, 128)], axis=2))


def png_claiming(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header announces so many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("picture_format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_every_format(picture_format):
    picture = decode_picture(encoded(gradient(60, 40), picture_format), LIMITS)
    assert (picture.width, picture.height) == picture.pixels.size == (60, 40)
    assert picture.pixels.mode == "RGB"
    assert picture.media_type == f"image/{picture_format.lower()}"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"", "0 bytes", id="nothing"),
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture", id="a format that is not read"),
        pytest.param(b"\x89PNG\r\n\x1a\n", "not a picture|damaged", id="a signature alone"),
        pytest.param(encoded(gradient(300, 300))[:-500], "truncated or damaged", id="truncated PNG"),
        pytest.param(encoded(gradient(300, 300), "JPEG")[:-500], "truncated or damaged", id="truncated JPEG"),
        pytest.param(encoded(gradient(300, 300), "WEBP")[:-300], "not a picture|damaged", id="truncated WebP"),
    ],
)
def test_damaged_files_are_refused(data, reason):
    with pytest.raises(InvalidPictureError, match=reason):
        decode_picture(data, LIMITS)


def test_random_damage_never_raises_anything_else():
    rng = np.random.default_rng(7)
    original = encoded(gradient(64, 64), "JPEG")
    for _ in range(200):
        damaged = bytearray(original)
        for position in rng.integers(2, len(damaged), 8):
            damaged[position] = rng.integers(256)
        try:
            decode_picture(bytes(damaged), LIMITS)
        except (InvalidPictureError, TooLargeError):
            continue


def test_a_bomb_is_refused_by_its_header():
    with pytest.raises(TooLargeError, match="90,000,000 pixels"):
        decode_picture(png_claiming(60_000, 60_000), LIMITS)


def test_too_many_bytes_are_refused():
    with pytest.raises(TooLargeError, match="may have 10 bytes"):
        decode_picture(bytes(11), PictureLimits(max_bytes=10))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(orientation):
    # Stored so that undoing the orientation gives a picture with a red upper left corner.
    upright = Image.new("RGB", (40, 20), "blue")
    upright.paste("red", (0, 0, 20, 10))
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright if orientation == 1 else upright.transpose(undo[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = decode_picture(encoded(stored, exif=exif), LIMITS)
    assert (picture.width, picture.height) == (40, 20)
    assert picture.pixels.getpixel((2, 2)) == (255, 0, 0)
    assert picture.pixels.getpixel((38, 18)) == (0, 0, 255)


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(Image.new("RGBA", (8, 8), (10, 20, 30, 0)), id="RGBA"),
        pytest.param(Image.new("LA", (8, 8), (10, 0)), id="grey with alpha"),
        pytest.param(Image.new("RGBA", (8, 8), (10, 20, 30, 0)).quantize(4), id="palette with alpha"),
    ],
)
def test_transparency_is_laid_on_white(image):
    assert decode_picture(encoded(image), LIMITS).pixels.getpixel((4, 4)) == (255, 255, 255)


def test_half_transparency_is_mixed_with_the_background():
    image = Image.new("RGBA", (8, 8), (0, 0, 0, 128))
    assert decode_picture(encoded(image), LIMITS, (255, 255, 255)).pixels.getpixel((0, 0)) == (127, 127, 127)


@pytest.mark.parametrize(
    ("image", "picture_format", "expected"),
    [
        pytest.param(Image.new("L", (4, 4), 100), "PNG", (100, 100, 100), id="grey"),
        pytest.param(Image.new("1", (4, 4), 1), "PNG", (255, 255, 255), id="black and white"),
        pytest.param(
            Image.fromarray(np.full((4, 4), 25_700, np.uint16)), "PNG", (100, 100, 100), id="16 bits are scaled"
        ),
        pytest.param(Image.new("CMYK", (4, 4), (0, 0, 0, 0)), "TIFF", (255, 255, 255), id="print colours"),
    ],
)
def test_other_colours(image, picture_format, expected):
    assert decode_picture(encoded(image, picture_format), LIMITS).pixels.getpixel((1, 1)) == expected


@pytest.mark.parametrize(
    ("picture_format", "size", "expected_side"),
    [
        pytest.param("JPEG", (4000, 3000), 2000, id="a JPEG is decoded at half its size"),
        pytest.param("PNG", (4000, 3000), 2000, id="a PNG is reduced after decoding"),
        pytest.param("JPEG", (3000, 2000), 3000, id="but not below what is enough"),
    ],
)
def test_huge_pictures_are_reduced_and_keep_their_size_in_words(picture_format, size, expected_side):
    picture = decode_picture(encoded(gradient(*size), picture_format), LIMITS)
    assert (picture.width, picture.height) == size
    assert max(picture.pixels.size) == expected_side


def test_reducing_changes_little():
    original = Image.open(PHOTOS / "astronaut.jpg").resize((4096, 4096), Image.Resampling.LANCZOS)
    data = encoded(original, "JPEG", quality=95)
    drafted = decode_picture(data, LIMITS).pixels
    whole = decode_picture(data, PictureLimits(enough_pixels_per_side=10_000)).pixels
    assert drafted.size < whole.size
    difference = np.abs(
        np.asarray(drafted.resize((416, 416))).astype(int) - np.asarray(whole.resize((416, 416))).astype(int)
    )
    assert difference.mean() < 1.0
