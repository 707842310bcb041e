"""From an encoded picture to the pixels that training and evaluation see, as a served bundle would see them."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sightwire.bundles.pictures import PictureLimits, decode_picture
from sightwire.bundles.preprocessing import encoder_pixels

_LIMITS = PictureLimits()


def square_pixels(image: bytes, size: int) -> NDArray[np.uint8]:
    """The picture, transparency laid on white, resized without keeping its proportions: uint8 [3, size, size], RGB.

    Raises:
        InvalidPictureError, TooLargeError: the bytes are not a whole picture, or one beyond the limits of ingest.
    """
    return np.ascontiguousarray(encoder_pixels(upright_picture(image), size).transpose(2, 0, 1))


def upright_picture(image: bytes) -> Image.Image:
    """The whole picture, upright, mode RGB; raises as `square_pixels`."""
    return decode_picture(image, _LIMITS).pixels
