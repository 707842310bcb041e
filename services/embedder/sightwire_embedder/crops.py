"""Objects cut out of a picture for the image encoder."""

from collections.abc import Sequence

from PIL import Image

from sightwire.bundles.preprocessing import Pixels, fitted_pixels
from sightwire.bundles.spec import ImageEncoderSpec
from sightwire_embedder.detection import DetectedObject

#: Boxes of objects are at least this many pixels wide and high when they are cut out.
_MIN_CROP_PIXELS = 1.0


def cut_out(
    pixels: Image.Image, size: tuple[int, int], objects: Sequence[DetectedObject], spec: ImageEncoderSpec
) -> list[Pixels]:
    """Each object as the encoder wants it, uint8 [size, size, 3].

    Boxes are in pixels of the original picture of `size` (width, height); `pixels` may be smaller.
    """
    scale_x = pixels.width / size[0]
    scale_y = pixels.height / size[1]
    crops = []
    for found in objects:
        left, right = _span(found.x1 * scale_x, found.x2 * scale_x, pixels.width)
        top, bottom = _span(found.y1 * scale_y, found.y2 * scale_y, pixels.height)
        crops.append(fitted_pixels(pixels, spec, (left, top, right, bottom)))
    return crops


def _span(start: float, end: float, limit: int) -> tuple[float, float]:
    """The interval inside 0..limit, widened to one pixel if it is narrower."""
    start = min(max(start, 0.0), limit - _MIN_CROP_PIXELS)
    return start, min(max(end, start + _MIN_CROP_PIXELS), float(limit))
