"""Pictures that nothing is trained on, recognised by their likeness."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from PIL import Image

#: Of the 64 bits of a hash, so many may differ between two files of one drawing.
NEAR_DUPLICATE_BITS = 6
_HASHED_SIDE = 32
_FREQUENCIES = 8


def _cosines() -> npt.NDArray[np.float64]:
    """The lowest rows of the discrete cosine transform, float64 [8, 32]."""
    positions = (2 * np.arange(_HASHED_SIDE) + 1) * np.pi / (2 * _HASHED_SIDE)
    return np.cos(np.arange(_FREQUENCIES)[:, None] * positions)


_TRANSFORM = _cosines()


def perceptual_hash(picture: Image.Image) -> int:
    """64 bits that stay when a picture is resized or compressed: which low frequencies are above their median."""
    grey = picture.convert("L").resize((_HASHED_SIDE, _HASHED_SIDE), Image.Resampling.LANCZOS)
    frequencies = (_TRANSFORM @ np.asarray(grey, dtype=np.float64) @ _TRANSFORM.T).ravel()
    above = frequencies > np.median(frequencies[1:])
    return int.from_bytes(np.packbits(above).tobytes(), "big")


class HeldOutPictures:
    """The pictures of evaluation sets; knows those that are nearly the same."""

    def __init__(self, pictures: Iterable[Image.Image], *, bits: int = NEAR_DUPLICATE_BITS) -> None:
        self._hashes = np.array([perceptual_hash(picture) for picture in pictures], dtype=np.uint64)
        self._bits = bits

    def include(self, picture: Image.Image) -> bool:
        """Whether the picture is one of them, or nearly so."""
        differing = np.bitwise_count(self._hashes ^ np.uint64(perceptual_hash(picture)))
        return bool((differing <= self._bits).any())
