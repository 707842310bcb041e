"""Which samples are no wrong answers for each other: what is one thing to whoever searches."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sightwire_trainer.data.concepts import scattered_number
from sightwire_trainer.data.examination import ExaminedSample

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Alikeness:
    """What samples are compared by; the first axis is the sample."""

    #: int64: hashes of what is equal in two that are alike; 0 is like nothing.
    concepts: Rows
    names: Rows
    texts: Rows
    #: uint64: perceptual hashes, of which near-duplicates differ in at most `bits` bits.
    pictures: NDArray[np.uint64]
    #: bool: whether there is a picture.
    have_pictures: NDArray[np.bool_]
    bits: int

    @classmethod
    def of(cls, samples: Sequence[ExaminedSample], *, bits: int) -> "Alikeness":
        return cls(
            concepts=_numbers([scattered_number(sample.concept) for sample in samples]),
            names=_numbers([sample.name_hash for sample in samples]),
            texts=_numbers([sample.text_hash or 0 for sample in samples]),
            pictures=np.array([sample.picture_hash or 0 for sample in samples], np.uint64),
            have_pictures=np.array([sample.picture_hash is not None for sample in samples], np.bool_),
            bits=bits,
        )

    def __len__(self) -> int:
        return len(self.concepts)

    def between(self, samples: Rows, others: Rows) -> NDArray[np.bool_]:
        """Which of `others` are alike `samples`: numbers of any shapes that broadcast, answers of the joined shape."""
        alike: NDArray[np.bool_] = self.concepts[samples] == self.concepts[others]
        alike |= self.names[samples] == self.names[others]
        alike |= (self.texts[samples] == self.texts[others]) & (self.texts[others] != 0)
        near = np.bitwise_count(self.pictures[samples] ^ self.pictures[others]) <= self.bits
        alike |= near & self.have_pictures[samples] & self.have_pictures[others]
        return alike


def _numbers(hashes: Sequence[int]) -> Rows:
    return np.array(hashes, np.uint64).view(np.int64)
