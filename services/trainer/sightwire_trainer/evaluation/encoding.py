"""What is measured: anything that turns texts and pictures into vectors of one space."""

from collections.abc import Sequence
from typing import Final, Protocol, runtime_checkable

import numpy as np

from sightwire.bundles.preprocessing import Pixels
from sightwire.errors import CorruptDataError, InvalidInputError
from sightwire_trainer.data.pictures import upright_picture
from sightwire_trainer.data.samples import SampleSource
from sightwire_trainer.evaluation.ranks import Matrix
from sightwire_trainer.evaluation.task import Captions, Documents

#: Pictures that are decoded at once.
_PICTURES_AT_ONCE: Final = 64


class Encoders(Protocol):
    """The two encoders of a model, such as `sightwire.bundles.bundle_encoder.BundleEncoder`."""

    def encode_images(self, images: Sequence[Pixels]) -> Matrix:
        """RGB pixels, uint8 [height, width, 3] of any sizes, to float32 [images, dimension]."""
        ...

    def encode_texts(self, texts: Sequence[str]) -> Matrix:
        """Texts that search, to float32 [texts, dimension]."""
        ...


@runtime_checkable
class DocumentEncoders(Protocol):
    """Encoders that treat a text that is to be found in another way than one that searches."""

    def encode_documents(self, texts: Sequence[str]) -> Matrix:
        """Texts to be found, to float32 [texts, dimension]."""
        ...


class TaskVectors:
    """Vectors of the sides of tasks, each made once, however many tasks it is part of."""

    def __init__(self, encoders: Encoders) -> None:
        self._encoders = encoders
        self._made: dict[Captions | Documents, Matrix] = {}

    def of(self, side: Captions | Documents) -> Matrix:
        """float32 [entries, dimension], in the order of the side."""
        if side not in self._made:
            self._made[side] = self._encode(side)
        return self._made[side]

    def _encode(self, side: Captions | Documents) -> Matrix:
        if isinstance(side, Captions):
            return self._encoders.encode_texts(side.texts)
        if side.samples[side.numbers[0]].image is None:
            return self._encode_documents([_text(side.samples, number) for number in side.numbers])
        parts = []
        for start in range(0, len(side.numbers), _PICTURES_AT_ONCE):
            numbers = side.numbers[start : start + _PICTURES_AT_ONCE]
            parts.append(self._encoders.encode_images([sample_pixels(side.samples, number) for number in numbers]))
        return np.concatenate(parts)

    def _encode_documents(self, texts: Sequence[str]) -> Matrix:
        if isinstance(self._encoders, DocumentEncoders):
            return self._encoders.encode_documents(texts)
        return self._encoders.encode_texts(texts)


def sample_pixels(samples: SampleSource, number: int) -> Pixels:
    """The decoded picture of a sample, uint8 [height, width, 3]; transparency is laid on white.

    Raises `CorruptDataError`, naming source and key, when it is no whole picture.
    """
    sample = samples[number]
    if sample.image is None:
        raise InvalidInputError(f"{samples.name}, {sample.key}: expected a picture, got a text; do not mix the two")
    try:
        return np.asarray(upright_picture(sample.image))
    except InvalidInputError as error:
        raise CorruptDataError(f"{samples.name}, {sample.key}: {error}") from error


def _text(samples: SampleSource, number: int) -> str:
    sample = samples[number]
    if sample.text is None:
        raise InvalidInputError(f"{samples.name}, {sample.key}: expected a text, got a picture; do not mix the two")
    return sample.text
