"""From RGB pixels to the arrays that the graphs read, as the bundle describes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sightwire.bundles.spec import DetectorSpec, ImageEncoderSpec

Pixels = NDArray[np.uint8]
#: x1, y1, x2, y2.
Box = tuple[float, float, float, float]

_RESAMPLING: Final = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


@dataclass(frozen=True, slots=True)
class LetterboxedPicture:
    """A picture scaled into a detector's input: uint8 [height, width, 3], content in the upper left corner."""

    pixels: Pixels
    #: Size of the content, without the padding at the right and the bottom.
    content_width: int
    content_height: int

    @property
    def shape(self) -> tuple[int, ...]:
        return self.pixels.shape


def letterbox(picture: Image.Image, spec: DetectorSpec) -> LetterboxedPicture:
    """Scales the longer side to `spec.size` and pads both sides to multiples of `spec.size_multiple`.

    The result is no square: a picture of 4:3 costs a quarter less this way, and detects the same.
    """
    scale = spec.size / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    padded_width, padded_height = (-(-side // spec.size_multiple) * spec.size_multiple for side in (width, height))
    # Box and bilinear filters both average when they shrink; `reducing_gap` halves large pictures cheaply first.
    resized = picture.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
    content = np.asarray(resized)
    if (padded_height, padded_width) == (height, width):
        return LetterboxedPicture(content, width, height)
    padded = np.empty((padded_height, padded_width, 3), np.uint8)
    padded[:height, :width] = content
    padded[height:] = spec.padding
    padded[:height, width:] = spec.padding
    return LetterboxedPicture(padded, width, height)


def encoder_pixels(
    picture: Image.Image,
    size: int,
    box: Box | None = None,
    resampling: Image.Resampling = Image.Resampling.BILINEAR,
) -> Pixels:
    """The picture, or the part of it in `box`, resized to uint8 [size, size, 3] without keeping its proportions."""
    # The box is handed to the resize, so that a crop is never copied out first.
    resized = picture.resize((size, size), resampling, box=box, reducing_gap=3.0)
    return np.asarray(resized)


def fitted_pixels(picture: Image.Image, spec: ImageEncoderSpec, box: Box | None = None) -> Pixels:
    """The picture, or the part of it in `box`, as the encoder wants it: uint8 [size, size, 3]."""
    resampling = _RESAMPLING[spec.interpolation]
    if spec.resize == "stretch":
        return encoder_pixels(picture, spec.size, box, resampling)
    left, top, right, bottom = box or (0.0, 0.0, float(picture.width), float(picture.height))
    width, height = right - left, bottom - top
    if spec.resize == "crop":
        side = min(width, height)
        left, top = left + (width - side) / 2, top + (height - side) / 2
        return encoder_pixels(picture, spec.size, (left, top, left + side, top + side), resampling)
    scale = spec.size / max(width, height)
    content_size = max(1, round(width * scale)), max(1, round(height * scale))
    content = picture.resize(content_size, resampling, (left, top, right, bottom), reducing_gap=3.0)
    padded = Image.new("RGB", (spec.size, spec.size), spec.padding)
    padded.paste(content, ((spec.size - content.width) // 2, (spec.size - content.height) // 2))
    return np.asarray(padded)


def encoder_batch(pictures: Sequence[Pixels], spec: ImageEncoderSpec) -> NDArray[np.float32]:
    """Resized pictures as the encoder's float32 [batch, 3, size, size], normalised in one pass over the batch."""
    batch = np.empty((len(pictures), 3, spec.size, spec.size), np.float32)
    for row, pixels in enumerate(pictures):
        batch[row] = pixels.transpose(2, 0, 1)
    scale = np.array([1 / (255 * deviation) for deviation in spec.deviation], np.float32).reshape(3, 1, 1)
    shift = np.array(
        [mean / deviation for mean, deviation in zip(spec.mean, spec.deviation, strict=True)], np.float32
    ).reshape(3, 1, 1)
    batch *= scale
    if shift.any():
        batch -= shift
    return batch
