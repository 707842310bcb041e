"""Pictures that nothing is trained on, recognised by their likeness."""

from collections.abc import Iterable

import numpy as np
from PIL import Image

from sightwire_trainer.data.perceptual_hashes import have_near, perceptual_hash

#: Of the 64 bits of a hash, so many may differ between two files of one drawing.
NEAR_DUPLICATE_BITS = 6


class HeldOutPictures:
    """The pictures of evaluation sets; knows those that are nearly the same."""

    def __init__(self, pictures: Iterable[Image.Image], *, bits: int = NEAR_DUPLICATE_BITS) -> None:
        self._hashes = np.array([perceptual_hash(picture) for picture in pictures], np.uint64)
        self._bits = bits

    def include(self, picture: Image.Image) -> bool:
        """Whether the picture is one of them, or nearly so."""
        return bool(have_near(np.array([perceptual_hash(picture)], np.uint64), self._hashes, self._bits)[0])
