"""Pictures are checked by decoding them."""

import base64
import hashlib
import io
import struct
import zlib

import pytest
from PIL import Image
from sightwire_gateway.picture_decoding import inspect_picture, make_thumbnail
from sightwire_gateway.pictures import picture_from_base64
from sightwire_gateway.thumbnails import nearest_size

from sightwire.errors import InvalidPictureError, TooLargeError

PIXELS = 1_000_000


def encoded(format_: str = "JPEG", size: tuple[int, int] = (60, 40), mode: str = "RGB", **options: object) -> bytes:
    file = io.BytesIO()
    image = Image.effect_noise(size, 80).convert(mode)
    image.save(file, format_, **options)
    return file.getvalue()


def with_orientation(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(exif=exif)


def png_bomb(width: int, height: int) -> bytes:
    """A small file that claims to be a huge picture, and would be one when decoded."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(1024 * 1024))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_whole_pictures_pass_with_their_size(format_: str):
    data = encoded(format_)
    facts = inspect_picture(data, max_pixels=PIXELS)
    assert (facts.media_type, facts.width, facts.height) == (f"image/{format_.lower()}", 60, 40)
    assert facts.sha256 == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(("orientation", "size"), [(1, (60, 40)), (3, (60, 40)), (6, (40, 60)), (8, (40, 60))])
def test_sizes_are_those_of_the_upright_picture(orientation: int, size: tuple[int, int]):
    facts = inspect_picture(with_orientation(orientation), max_pixels=PIXELS)
    assert (facts.width, facts.height) == size


def test_zero_bytes_are_refused():
    with pytest.raises(InvalidPictureError, match="0 bytes"):
        inspect_picture(b"", max_pixels=PIXELS)


@pytest.mark.parametrize("data", [b"hello, I am a text", b"<svg/>", b"%PDF-1.7", bytes(1000)])
def test_other_files_are_refused(data: bytes):
    with pytest.raises(InvalidPictureError, match="not a picture"):
        inspect_picture(data, max_pixels=PIXELS)


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
@pytest.mark.parametrize("kept", [0.02, 0.5, 0.9])
def test_truncated_pictures_are_refused(format_: str, kept: float):
    data = encoded(format_, size=(300, 200))
    with pytest.raises(InvalidPictureError):
        inspect_picture(data[: max(20, int(len(data) * kept))], max_pixels=PIXELS)


def test_pixels_are_counted_before_decoding():
    bomb = png_bomb(50_000, 50_000)
    assert len(bomb) < 2000
    with pytest.raises(TooLargeError, match="50000 x 50000 = 2500000000 pixels, the limit is 1000000"):
        inspect_picture(bomb, max_pixels=PIXELS)
    with pytest.raises(TooLargeError):
        make_thumbnail(bomb, size=64, max_pixels=PIXELS)


def test_the_limit_itself_is_allowed():
    assert inspect_picture(encoded(size=(100, 10)), max_pixels=1000).width == 100


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_thumbnails_are_small_upright_webp(mode: str):
    thumbnail = Image.open(io.BytesIO(make_thumbnail(encoded(size=(600, 400), mode=mode), size=64, max_pixels=PIXELS)))
    assert thumbnail.format == "WEBP"
    assert thumbnail.size == (64, 43)


def test_thumbnails_are_turned_but_never_enlarged():
    thumbnail = Image.open(io.BytesIO(make_thumbnail(with_orientation(6), size=256, max_pixels=PIXELS)))
    assert thumbnail.size == (40, 60)


def test_thumbnails_keep_transparency():
    file = io.BytesIO()
    Image.new("RGBA", (60, 40), (255, 0, 0, 100)).save(file, "PNG")
    assert Image.open(io.BytesIO(make_thumbnail(file.getvalue(), size=64, max_pixels=PIXELS))).mode == "RGBA"


@pytest.mark.parametrize(("wanted", "size"), [(16, 64), (64, 64), (65, 128), (256, 256), (1024, 1024), (5000, 1024)])
def test_few_sizes_are_made(wanted: int, size: int):
    assert nearest_size(wanted) == size


def test_base64_and_data_urls_are_taken():
    text = base64.b64encode(b"bytes").decode()
    assert picture_from_base64(text, max_bytes=100) == b"bytes"
    assert picture_from_base64(f"data:image/png;base64,{text}", max_bytes=100) == b"bytes"


def test_other_texts_are_no_pictures():
    for text in ("not base64!", "data:image/png,abc", "ä"):
        with pytest.raises(InvalidPictureError):
            picture_from_base64(text, max_bytes=100)
    with pytest.raises(TooLargeError):
        picture_from_base64("A" * 200, max_bytes=100)
