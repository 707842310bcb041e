"""Which vectors of a field a search may return: a filter's answer, in the forms that FAISS wants."""

from functools import cached_property
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt


class Selection:
    """Immutable set of vector rows of one field; make it once per filter and segment, and use it for every query.

    Args:
        mask: bool [vector rows], true where allowed.
    """

    def __init__(self, mask: npt.NDArray[np.bool_]) -> None:
        #: bool [vector rows].
        self.mask = mask
        self.count = int(np.count_nonzero(mask))
        self.total = len(mask)

    @property
    def is_everything(self) -> bool:
        """Whether no vector is excluded."""
        return self.count == self.total

    @cached_property
    def rows(self) -> npt.NDArray[np.int64]:
        """Allowed vector rows, ascending."""
        return np.flatnonzero(self.mask)

    @cached_property
    def bitmap(self) -> npt.NDArray[np.uint8]:
        """The mask with eight vectors a byte, the first in the lowest bit."""
        return np.packbits(self.mask, bitorder="little")

    @cached_property
    def parameters(self) -> Any:
        """FAISS's parameters of an exact search among the allowed vectors; valid as long as the selection lives."""
        # FAISS holds a plain pointer to the rows, which this object keeps.
        return faiss.SearchParameters(sel=faiss.IDSelectorArray(self.rows))

    @property
    def full_bytes(self) -> int:
        """Memory with all derived forms."""
        return self.total + self.total // 8 + 8 * self.count

    @property
    def resident_bytes(self) -> int:
        """Memory held, derived forms included once they exist."""
        derived: list[npt.NDArray[np.generic]] = [
            self.__dict__[name] for name in ("rows", "bitmap") if name in self.__dict__
        ]
        return self.mask.nbytes + sum(form.nbytes for form in derived)
