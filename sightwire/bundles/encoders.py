"""The two encoders of a bundle as batch functions: from token ids and pixels to vectors."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sightwire.bundles.inference import Array, Graph, limited
from sightwire.bundles.preprocessing import Pixels, encoder_batch
from sightwire.bundles.spec import ImageEncoderSpec, TextEncoderSpec
from sightwire.bundles.tokenization import TokenIds, pad_batch
from sightwire.errors import InvalidVectorError

#: float32 [dimension], L2-normalised unless the bundle's metric is not the cosine.
Vector = NDArray[np.float32]


class TextEncoder:
    """Token ids to vectors."""

    def __init__(self, graph: Graph, spec: TextEncoderSpec, *, normalise: bool) -> None:
        self._graph = limited(graph, spec.max_batch)
        self._spec = spec
        self._normalise = normalise

    def embed(self, token_ids: Sequence[TokenIds]) -> list[Vector | Exception]:
        """One vector, or its error, for each text's ids, int64 [length]."""
        ids, mask = pad_batch(token_ids, self._spec.pad_id, self._spec.padded_length)
        inputs: dict[str, Array] = {self._spec.ids_input: ids}
        if self._spec.mask_input is not None:
            inputs[self._spec.mask_input] = mask
        (vectors,) = self._graph.run(inputs)
        return checked_vectors(vectors, normalise=self._normalise)


class ImageEncoder:
    """Resized pictures to vectors."""

    def __init__(self, graph: Graph, spec: ImageEncoderSpec, *, normalise: bool) -> None:
        self.spec = spec
        self._graph = limited(graph, spec.max_batch)
        self._normalise = normalise

    def embed(self, pictures: Sequence[Pixels]) -> list[Vector | Exception]:
        """One vector, or its error, for each picture, uint8 [size, size, 3]."""
        (vectors,) = self._graph.run({self.spec.input: encoder_batch(pictures, self.spec)})
        return checked_vectors(vectors, normalise=self._normalise)


def checked_vectors(vectors: NDArray[np.float32], *, normalise: bool) -> list[Vector | Exception]:
    """The rows of float32 [batch, dimension]; a row with NaN or infinity, or without a direction, is its error."""
    # A sum of squares is finite only if all of its parts are.
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    usable = np.isfinite(lengths)
    if normalise:
        usable &= lengths > 0
        vectors = vectors / np.where(usable, lengths, np.float32(1)).astype(np.float32)[:, np.newaxis]
    if usable.all():
        return list(vectors)
    return [
        vector if is_usable else InvalidVectorError(f"the model answered a vector of length {length} for this input")
        for vector, is_usable, length in zip(vectors, usable, lengths, strict=True)
    ]
