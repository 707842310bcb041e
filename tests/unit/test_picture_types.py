"""The first bytes of real files tell their type."""

import io

import pytest
from PIL import Image

from sightwire.security.picture_types import sniff_picture


@pytest.mark.parametrize(
    ("format_", "media_type"),
    [
        ("JPEG", "image/jpeg"),
        ("PNG", "image/png"),
        ("WEBP", "image/webp"),
        ("GIF", "image/gif"),
        ("BMP", "image/bmp"),
        ("TIFF", "image/tiff"),
        ("AVIF", "image/avif"),
    ],
)
def test_pictures_are_recognised(format_: str, media_type: str):
    file = io.BytesIO()
    Image.new("RGB", (20, 10), "red").save(file, format_)
    assert sniff_picture(file.getvalue()) == media_type


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8",
        b"<html>",
        b"<svg xmlns=",
        b"BMW makes cars and bikes, not pictures",
        b"RIFF1234WAVE",
        b"%PDF-1.7",
    ],
)
def test_other_files_are_not(data: bytes):
    assert sniff_picture(data) is None
