"""64 bits of a picture that stay nearly the same when it is resized, compressed or slightly recoloured."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_SIDE = 32
_FREQUENCIES = 8
#: Pairs that are compared at once; bounds the memory to some tens of megabytes.
_PAIRS_AT_ONCE = 4_000_000

# The lowest frequencies of the discrete cosine transform (DCT-II), [frequencies, places].
_COSINES = np.cos(np.pi / _SIDE * np.arange(_FREQUENCIES)[:, None] * (np.arange(_SIDE) + 0.5))


def perceptual_hash(picture: Image.Image) -> int:
    """The pHash: which low frequencies of the grey picture are stronger than their median; 64 bits.

    Pictures of one colour all have the hash 0.
    """
    grey = picture.convert("L").resize((_SIDE, _SIDE), Image.Resampling.BILINEAR, reducing_gap=3.0)
    frequencies = (_COSINES @ np.asarray(grey, np.float64) @ _COSINES.T).ravel()
    # The first is the mean brightness, which says nothing of the shapes; rounding hides what is noise of the sums.
    frequencies[0] = 0
    frequencies = frequencies.round(3)
    bits = frequencies > np.median(frequencies[1:])
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def have_near(hashes: NDArray[np.uint64], others: NDArray[np.uint64], bits: int) -> NDArray[np.bool_]:
    """Which of `hashes` [n] differ from any of `others` [m] in at most `bits` bits: bool [n]."""
    near = np.zeros(len(hashes), np.bool_)
    if not len(others):
        return near
    rows = max(1, _PAIRS_AT_ONCE // len(others))
    for begin in range(0, len(hashes), rows):
        differing = np.bitwise_count(hashes[begin : begin + rows, None] ^ others)
        near[begin : begin + rows] = differing.min(axis=1) <= bits
    return near
