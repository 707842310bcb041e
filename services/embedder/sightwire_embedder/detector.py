"""The detector of a bundle as a batch function: from prepared inputs to objects. It runs in threads."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sightwire.bundles.inference import Graph, limited
from sightwire.bundles.preprocessing import LetterboxedPicture
from sightwire.bundles.spec import DetectorSpec
from sightwire_embedder.detection import DetectedObject, find_objects


@dataclass(frozen=True, slots=True)
class DetectorInput:
    """A picture as the detector wants it, and the size (width, height) in whose pixels the boxes shall come."""

    letterboxed: LetterboxedPicture
    picture_size: tuple[int, int]


class Detector:
    """Letterboxed pictures to objects."""

    def __init__(self, graph: Graph, spec: DetectorSpec) -> None:
        self.spec = spec
        self._graph = limited(graph, spec.max_batch)

    def detect(self, pictures: Sequence[DetectorInput]) -> list[list[DetectedObject] | Exception]:
        """The objects of each picture; all pictures have the same shape."""
        batch = np.stack([picture.letterboxed.pixels for picture in pictures])
        boxes, scores = self._graph.run({self.spec.input: batch})
        return [
            find_objects(
                boxes[row],
                scores[row],
                self.spec,
                content_size=(picture.letterboxed.content_width, picture.letterboxed.content_height),
                picture_size=picture.picture_size,
            )
            for row, picture in enumerate(pictures)
        ]
