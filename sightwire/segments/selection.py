"""Which vectors of a field a search may return: a filter's answer, in the forms that FAISS wants."""

from functools import cached_property

import numpy as np
import numpy.typing as npt


class Selection:
    """Immutable set of vector rows of one field; make it once per filter and segment, and use it for every query.

    Args:
        mask: bool [vector rows], true where allowed.
    """

    def __init__(self, mask: npt.NDArray[np.bool_]) -> None:
        self._mask = mask
        self.count = int(np.count_nonzero(mask))
        self.total = len(mask)

    @property
    def is_everything(self) -> bool:
        """Whether no vector is excluded."""
        return self.count == self.total

    @cached_property
    def rows(self) -> npt.NDArray[np.int64]:
        """Allowed vector rows, ascending."""
        return np.flatnonzero(self._mask)

    @cached_property
    def bits(self) -> npt.NDArray[np.uint8]:
        """One bit per vector row, little-endian, as FAISS's bitmap selector reads it."""
        return np.packbits(self._mask, bitorder="little")

    @property
    def resident_bytes(self) -> int:
        """Memory held, derived forms included once they exist."""
        derived = (self.__dict__.get("rows"), self.__dict__.get("bits"))
        derived_bytes: int = sum(array.nbytes for array in derived if array is not None)
        return self._mask.nbytes + derived_bytes
