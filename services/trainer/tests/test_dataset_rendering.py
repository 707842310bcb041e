"""Drawings lie on white, 192 pixels square, as they are on their canvas or trimmed."""

import io

import numpy as np
import pytest
from PIL import Image
from sightwire_trainer.datasets.held_out import HeldOutPictures
from sightwire_trainer.datasets.rendering import SIDE, TRIMMED_MARGIN, as_webp, opened_picture, pixels, rendered_svg

from sightwire.errors import CorruptDataError, TooLargeError

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">{}</svg>'
RED_SQUARE = SVG.format('<path fill="#f00" d="M4 4h4v4h-4z"/>')

pytest.importorskip("resvg_py")


def png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def drawn_box(picture: Image.Image) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what is not white."""
    rows, columns = np.nonzero((pixels(picture) < 250).any(axis=2))
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def test_an_svg_is_rendered_as_it_is_in_its_view_box() -> None:
    picture = rendered_svg(RED_SQUARE)
    assert (picture.mode, picture.size) == ("RGB", (SIDE, SIDE))
    assert drawn_box(picture) == (48, 48, 96, 96)
    assert picture.getpixel((60, 60)) == (255, 0, 0)
    assert picture.getpixel((0, 0)) == (255, 255, 255)


def test_a_trimmed_drawing_fills_the_picture_but_for_a_margin() -> None:
    end = SIDE - TRIMMED_MARGIN
    assert drawn_box(rendered_svg(RED_SQUARE, trim=True)) == pytest.approx(
        (TRIMMED_MARGIN, TRIMMED_MARGIN, end, end), abs=1
    )


@pytest.mark.parametrize(("size", "box"), [((40, 20), (0, 48, 192, 144)), ((400, 800), (48, 0, 144, 192))])
def test_a_picture_of_any_shape_lies_in_the_middle(size: tuple[int, int], box: tuple[int, int, int, int]) -> None:
    assert drawn_box(opened_picture(png(Image.new("RGB", size, "navy")))) == box


def test_what_is_half_transparent_is_mixed_with_white() -> None:
    picture = opened_picture(png(Image.new("RGBA", (8, 8), (0, 0, 0, 128))))
    assert picture.getpixel((96, 96)) == (127, 127, 127)


@pytest.mark.parametrize("content", [SVG.format(""), "<svg", "", SVG.format('<path fill="#fff" d="M0 0h16v16h-16z"/>')])
def test_an_svg_without_a_drawing_is_refused(content: str) -> None:
    with pytest.raises(CorruptDataError):
        rendered_svg(content)


def test_files_that_are_no_whole_picture_are_refused() -> None:
    whole = png(Image.effect_noise((64, 64), 50))
    for content in (b"", b"no picture", whole[: len(whole) // 2]):
        with pytest.raises(CorruptDataError, match="cannot read the picture"):
            opened_picture(content)


def test_pictures_with_too_many_pixels_are_not_decoded() -> None:
    with pytest.raises(TooLargeError, match="19000 x 9000"):
        opened_picture(png(Image.new("1", (19_000, 9_000))))


def test_a_near_duplicate_of_a_held_out_picture_is_recognised() -> None:
    held_out = rendered_svg(SVG.format('<circle cx="10" cy="9" r="5" fill="#0a0"/><path d="M1 1h3l2 11h-5z"/>'))
    other = rendered_svg(SVG.format('<circle cx="5" cy="6" r="4" fill="#a00"/><path d="M9 14l6 -9v8z"/>'))
    pictures = HeldOutPictures([held_out])
    assert pictures.include(Image.open(io.BytesIO(as_webp(held_out.resize((150, 150))))))
    assert not pictures.include(other)
