"""Drawings as training pictures: 192 pixels square, on white, as WebP."""

import io
import warnings
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt
from PIL import Image

from sightwire.errors import ConfigurationError, CorruptDataError, TooLargeError

SIDE = 192
#: Left free around a drawing that was trimmed, on each side.
TRIMMED_MARGIN = 6
#: A trimmed drawing is rendered larger first, so that little of it is lost when it fills a small part of its canvas.
_RENDERING_FOR_TRIMMING = 512
#: Nearly Pillow's own limit; the largest of the Open Clip Art Library has 169 million.
_LARGEST_PIXELS = 170_000_000
_WEBP_QUALITY = 88


def check_renderer() -> None:
    """Raises ConfigurationError when the SVG renderer is not installed."""
    if find_spec("resvg_py") is None:
        raise ConfigurationError("resvg-py is needed to render SVG; install sightwire-trainer[datasets]")


def rendered_svg(svg: str, *, trim: bool = False) -> Image.Image:
    """An SVG on white, RGB [192, 192]: its whole view box, or, to `trim` it, what is drawn and a small margin.

    Raises:
        CorruptDataError: it is not SVG that can be rendered, or nothing is drawn.
    """
    import resvg_py

    side = _RENDERING_FOR_TRIMMING if trim else SIDE
    try:
        png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=side, height=side, skip_system_fonts=True))
    except ValueError as error:
        raise CorruptDataError(f"cannot render the SVG {svg[:80]!r}: {error}") from error
    return laid_on_white(Image.open(io.BytesIO(png)), trim=trim)


def opened_picture(content: bytes, *, trim: bool = False) -> Image.Image:
    """A picture file on white, RGB [192, 192], as `laid_on_white`.

    Raises:
        CorruptDataError: it is not a picture, or nothing is drawn.
        TooLargeError: it has more than 170 million pixels.
    """
    try:
        with warnings.catch_warnings():
            # Pillow warns of fewer pixels than are refused here.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(content))
        if picture.width * picture.height > _LARGEST_PIXELS:
            raise TooLargeError(f"expected at most {_LARGEST_PIXELS:,} pixels, got {picture.width} x {picture.height}")
        return laid_on_white(picture, trim=trim)
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise CorruptDataError(f"cannot read the picture: {error}") from error


def laid_on_white(picture: Image.Image, *, trim: bool = False) -> Image.Image:
    """The picture, or what of it is not transparent, as large as fits into the middle of a white square of 192 pixels.

    Raises:
        CorruptDataError: all of it is transparent or white.
    """
    drawing = picture.convert("RGBA")
    box = drawing.getchannel("A").getbbox()
    if box is None:
        raise CorruptDataError("nothing is drawn: the picture is transparent")
    if trim:
        drawing = drawing.crop(box)
    room = SIDE - 2 * TRIMMED_MARGIN if trim else SIDE
    factor = room / max(drawing.size)
    width, height = (max(1, round(side * factor)) for side in drawing.size)
    if (width, height) != drawing.size:
        drawing = drawing.resize((width, height), Image.Resampling.LANCZOS)
    canvas = Image.new("RGBA", (SIDE, SIDE), "white")
    canvas.alpha_composite(drawing, ((SIDE - width) // 2, (SIDE - height) // 2))
    on_white = canvas.convert("RGB")
    if pixels(on_white).min() == 255:
        raise CorruptDataError("nothing is drawn: the picture is white")
    return on_white


def as_webp(picture: Image.Image) -> bytes:
    """The picture as a WebP file; small differences of colour are lost."""
    file = io.BytesIO()
    picture.save(file, "WEBP", quality=_WEBP_QUALITY, method=4)
    return file.getvalue()


def pixels(picture: Image.Image) -> npt.NDArray[np.uint8]:
    """uint8 [height, width, 3]."""
    return np.asarray(picture, dtype=np.uint8)
