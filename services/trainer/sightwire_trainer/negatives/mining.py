"""Mines the hard negatives of all samples: what the model, or a live collection, takes for their right answers."""

import logging
import time
from collections.abc import Sequence
from typing import Final

import numpy as np

from sightwire_trainer.configuration import HardNegatives
from sightwire_trainer.data.picture_memory import PictureMemory
from sightwire_trainer.evaluation.model_encoders import ModelEncoders
from sightwire_trainer.evaluation.ranks import Matrix
from sightwire_trainer.negatives.alikeness import Alikeness, Rows
from sightwire_trainer.negatives.asking_collection import answers_of_collection, require_collection
from sightwire_trainer.negatives.nearest_wrong import NONE, first_wrong, nearest_wrong

_log = logging.getLogger(__name__)

#: Pictures that are in memory as the encoder sees them at a time.
_AT_ONCE: Final = 64


class NegativeMiner:
    """Hard negatives of the samples in `pictures`, which are those of `alike` and have `keys`.

    A sample's are never of its concept or its name, nor near-duplicates of it (`Alikeness`).
    """

    def __init__(
        self,
        configuration: HardNegatives,
        pictures: PictureMemory,
        keys: Sequence[str],
        alike: Alikeness,
        encoders: ModelEncoders,
    ) -> None:
        self._configuration = configuration
        self._pictures = pictures
        self._keys = keys
        self._alike = alike
        self._encoders = encoders

    def require_answers(self) -> None:
        """Does nothing when the one to be asked is there, so that no run begins that must end at its first mining.

        Raises:
            sightwire.client.ApiError, ConnectionFailedError: there is no such collection, or no answer at all.
        """
        if self._configuration.collection is not None:
            require_collection(self._configuration.gateway, self._configuration.collection)

    def mine(self) -> Rows:
        """Numbers of the nearest wrong answers, the nearest first: int64 [samples, per_sample], `NONE` where fewer are.

        The model's weights decide, in the mode that it is in, unless a collection does.

        Raises:
            CorruptDataError: a sample cannot be read.
            InvalidInputError: no answer of the collection is a sample.
            sightwire.client.ApiError, ConnectionFailedError: the platform refuses, or does not answer.
        """
        begun, configuration = time.monotonic(), self._configuration
        wanted = {"count": configuration.per_sample, "skip": configuration.skip}
        if configuration.collection is None:
            documents = self._documents()
            queries = self._captions() if configuration.ask_by == "caption" else documents
            found = nearest_wrong(queries, documents, self._alike, **wanted)
        else:
            answers = answers_of_collection(configuration, self._keys, self._names())
            found = first_wrong(answers, self._alike, **wanted)
        with_some = int((found[:, 0] != NONE).sum())
        seconds = time.monotonic() - begun
        _log.info("mined hard negatives for %d of %d samples in %.1f s", with_some, len(found), seconds)
        return found

    def _names(self) -> list[str]:
        return [self._pictures.get(number)[0].name for number in range(len(self._keys))]

    def _captions(self) -> Matrix:
        """float32 [samples, dimension]; equal captions are encoded once."""
        names = self._names()
        distinct = {name: row for row, name in enumerate(dict.fromkeys(names))}
        return self._encoders.encode_texts(list(distinct))[[distinct[name] for name in names]]

    def _documents(self) -> Matrix:
        """float32 [samples, dimension]."""
        parts = [
            self._part(range(begin, min(begin + _AT_ONCE, len(self._keys))))
            for begin in range(0, len(self._keys), _AT_ONCE)
        ]
        return np.concatenate(parts)

    def _part(self, numbers: range) -> Matrix:
        pictures, texts = [], []
        for number in numbers:
            sample, pixels = self._pictures.get(number)
            if pixels is None:
                texts.append(sample.text or "")
            else:
                pictures.append(pixels.transpose(1, 2, 0))
        return self._encoders.encode_images(pictures) if pictures else self._encoders.encode_documents(texts)
