"""One picture from bytes to detections and vectors, each step in threads, the model calls in batches with others'."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sightwire.bundles import BundleSpec
from sightwire.bundles.encoders import Vector
from sightwire.bundles.pictures import Picture, PictureLimits, decode_picture
from sightwire.bundles.preprocessing import Pixels, fitted_pixels, letterbox
from sightwire_embedder.batching import Batcher, ComputeTurns, Priority
from sightwire_embedder.crops import cut_out
from sightwire_embedder.detection import DetectedObject
from sightwire_embedder.detector import DetectorInput


@dataclass(frozen=True, slots=True)
class PictureAnalysis:
    """What is known of a picture; vectors are float32 and L2-normalised where the bundle's metric is the cosine."""

    width: int
    height: int
    media_type: str
    #: float32 [dimension]; None if it was not asked for.
    image_vector: Vector | None
    objects: list[DetectedObject]
    #: float32 [objects, dimension], rows in the order of `objects`; no rows if they were not asked for.
    object_vectors: NDArray[np.float32]
    #: Sum of the model calls' durations; calls are shared with other requests.
    model_seconds: float


@dataclass(frozen=True, slots=True)
class _PreparedPicture:
    picture: Picture
    whole: Pixels | None
    detector_input: DetectorInput | None


class PictureAnalyser:
    """Turns picture files into detections and vectors."""

    def __init__(
        self,
        spec: BundleSpec,
        turns: ComputeTurns,
        image_batcher: Batcher[Pixels, Vector],
        detector_batcher: Batcher[DetectorInput, list[DetectedObject]] | None,
        limits: PictureLimits,
    ) -> None:
        self._spec = spec
        self._turns = turns
        self._images = image_batcher
        self._detector = detector_batcher
        self._limits = limits

    async def analyse(
        self,
        data: bytes,
        priority: Priority,
        *,
        image_vector: bool = True,
        detect: bool = True,
        object_vectors: bool = True,
    ) -> PictureAnalysis:
        """Decodes a picture file and computes what is asked for.

        Raises `InvalidPictureError` or `TooLargeError` for bytes that are no acceptable picture.
        """
        prepared = await self._turns.run(
            priority, lambda: self._prepare(data, wants_vector=image_vector, wants_objects=detect or object_vectors)
        )
        objects: list[DetectedObject] = []
        seconds = 0.0
        if prepared.detector_input is not None and self._detector is not None:
            answer = await self._detector.submit(prepared.detector_input, priority)
            objects = answer.value
            seconds += answer.call_seconds
        pixels = [] if prepared.whole is None else [prepared.whole]
        if objects and object_vectors:
            pixels += await self._turns.run(priority, lambda: self._cut_out(prepared.picture, objects))
        vectors, vector_seconds = await self._embed(pixels, priority)
        whole_count = 0 if prepared.whole is None else 1
        return PictureAnalysis(
            prepared.picture.width,
            prepared.picture.height,
            prepared.picture.media_type,
            vectors[0] if whole_count else None,
            objects,
            _matrix(vectors[whole_count:], self._spec.dimension),
            seconds + vector_seconds,
        )

    def _prepare(self, data: bytes, *, wants_vector: bool, wants_objects: bool) -> _PreparedPicture:
        picture = decode_picture(data, self._limits, self._spec.background)
        encoder = self._spec.image_encoder
        detector = self._spec.detector
        return _PreparedPicture(
            picture,
            fitted_pixels(picture.pixels, encoder) if wants_vector and encoder is not None else None,
            DetectorInput(letterbox(picture.pixels, detector), (picture.width, picture.height))
            if wants_objects and detector is not None
            else None,
        )

    def _cut_out(self, picture: Picture, objects: Sequence[DetectedObject]) -> list[Pixels]:
        encoder = self._spec.image_encoder
        assert encoder is not None, "object vectors need an image encoder"
        # The decoded picture may be smaller than the file says.
        return cut_out(picture.pixels, (picture.width, picture.height), objects, encoder)

    async def _embed(self, pixels: list[Pixels], priority: Priority) -> tuple[list[Vector], float]:
        if not pixels:
            return [], 0.0
        answers = await self._images.submit_all(pixels, priority)
        vectors: list[Vector] = []
        longest_call = 0.0
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
            vectors.append(answer.value)
            longest_call = max(longest_call, answer.call_seconds)
        return vectors, longest_call


def _matrix(vectors: list[Vector], dimension: int) -> NDArray[np.float32]:
    return np.stack(vectors) if vectors else np.empty((0, dimension), np.float32)
