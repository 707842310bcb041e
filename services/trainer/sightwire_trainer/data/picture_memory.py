"""Decoded pictures kept in memory, so that later epochs do not decode them again."""

import numpy as np
from numpy.typing import NDArray

from sightwire.errors import CorruptDataError, InvalidInputError
from sightwire_trainer.data.pictures import square_pixels
from sightwire_trainer.data.samples import Sample, SampleSource


class PictureMemory:
    """Samples with their pixels; the first that are asked for are kept, up to `max_bytes` of pixels.

    None is ever dropped for another: an epoch takes each once, so that the least recently used is needed the soonest.
    Threads may ask at the same time.
    """

    def __init__(self, samples: SampleSource, *, size: int, max_bytes: int) -> None:
        self._samples = samples
        self._size = size
        self._max_kept = max_bytes // (3 * size * size)
        self._kept: dict[int, tuple[Sample, NDArray[np.uint8]]] = {}

    def __len__(self) -> int:
        return len(self._samples)

    def get(self, number: int) -> tuple[Sample, NDArray[np.uint8] | None]:
        """The sample, maybe without its encoded picture, and its pixels: uint8 [3, size, size], RGB; None of a text.

        Raises:
            CorruptDataError: the sample or its picture cannot be read; the message names source and key.
        """
        kept = self._kept.get(number)
        if kept is not None:
            return kept
        sample = self._samples[number]
        if sample.image is None:
            return sample, None
        pixels = sample_pixels(sample, self._size, self._samples.name)
        if len(self._kept) < self._max_kept:
            self._kept[number] = (_without_picture(sample), pixels)
        return sample, pixels


def sample_pixels(sample: Sample, size: int, source: str) -> NDArray[np.uint8]:
    """The pixels of a sample that has a picture: uint8 [3, size, size], RGB; `source` is for messages.

    Raises:
        CorruptDataError: the picture cannot be read.
    """
    try:
        return square_pixels(sample.image or b"", size)
    except InvalidInputError as error:
        raise CorruptDataError(f"{source}, {sample.key}: {error.detail}") from error


def _without_picture(sample: Sample) -> Sample:
    return Sample(sample.key, sample.name, None, None, sample.keywords, sample.description, sample.concept)
