"""Sources made of others: several one after another, and a choice of samples."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from sightwire_trainer.data.samples import Sample, SampleSource


class CombinedSource:
    """Sources one after another."""

    def __init__(self, name: str, sources: Sequence[SampleSource]) -> None:
        self.name = name
        self._sources = tuple(sources)
        self._ends = list(accumulate(map(len, sources)))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, number: int) -> Sample:
        if not 0 <= number < len(self):
            raise IndexError(f"{self.name} has {len(self)} samples, asked for number {number}")
        part = bisect_right(self._ends, number)
        before = self._ends[part - 1] if part else 0
        return self._sources[part][number - before]

    def __iter__(self) -> Iterator[Sample]:
        return (self[number] for number in range(len(self)))


class SelectedSource:
    """Some samples of a source, in the order of `numbers` (int64 [samples])."""

    def __init__(self, name: str, source: SampleSource, numbers: NDArray[np.int64]) -> None:
        self.name = name
        self._source = source
        self._numbers = numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, number: int) -> Sample:
        return self._source[int(self._numbers[number])]

    def __iter__(self) -> Iterator[Sample]:
        return (self[number] for number in range(len(self)))
