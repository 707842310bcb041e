"""From a detector's boxes and scores to objects in the original picture."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sightwire.bundles.spec import DetectorSpec

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class DetectedObject:
    """One object: the box in pixels of the original, upright picture, inside its borders."""

    x1: float
    y1: float
    x2: float
    y2: float
    class_id: int
    confidence: float


def find_objects(
    boxes: Floats,
    scores: Floats,
    spec: DetectorSpec,
    *,
    content_size: tuple[int, int],
    picture_size: tuple[int, int],
) -> list[DetectedObject]:
    """Objects in one picture, the most certain first, at most `spec.max_detections`.

    `boxes` float32 [cells, 4] and `scores` float32 [cells, classes] are in pixels of the letterboxed picture, whose
    content is `content_size` (width, height); the objects come in pixels of the original of `picture_size`.
    Overlapping boxes of one class are suppressed (greedy, at `spec.iou_threshold`).
    """
    cells, classes = np.nonzero(scores > spec.score_threshold)
    if not len(cells):
        return []
    confidences = scores[cells, classes]
    in_content = boxes[cells]
    in_content[:, 0::2] = in_content[:, 0::2].clip(0, content_size[0])
    in_content[:, 1::2] = in_content[:, 1::2].clip(0, content_size[1])
    kept = suppress_overlaps(in_content, confidences, classes, spec.iou_threshold, spec.max_detections)
    scale = np.array([picture_size[0] / content_size[0], picture_size[1] / content_size[1]] * 2, np.float32)
    return [
        DetectedObject(x1, y1, x2, y2, int(class_id), float(confidence))
        for (x1, y1, x2, y2), class_id, confidence in zip(
            (in_content[kept] * scale).tolist(), classes[kept], confidences[kept], strict=True
        )
        # A cell may see an object that lies in the padding only.
        if x2 - x1 >= 1 and y2 - y1 >= 1
    ]


def suppress_overlaps(
    boxes: Floats, confidences: Floats, classes: NDArray[np.int64], iou_threshold: float, limit: int
) -> NDArray[np.int64]:
    """Indices of the boxes that survive class-wise greedy non-maximum suppression, most certain first, at most `limit`.

    `boxes` is float32 [n, 4], `confidences` float32 [n], `classes` int64 [n].
    """
    order = np.argsort(-confidences, kind="stable")
    x1, y1, x2, y2 = boxes[order].T
    areas = (x2 - x1) * (y2 - y1)
    ordered_classes = classes[order]
    alive = np.ones(len(order), bool)
    kept: list[int] = []
    for candidate in range(len(order)):
        if not alive[candidate]:
            continue
        kept.append(int(order[candidate]))
        if len(kept) == limit:
            break
        rest = slice(candidate + 1, None)
        overlap_width = (np.minimum(x2[candidate], x2[rest]) - np.maximum(x1[candidate], x1[rest])).clip(0)
        overlap_height = (np.minimum(y2[candidate], y2[rest]) - np.maximum(y1[candidate], y1[rest])).clip(0)
        intersection = overlap_width * overlap_height
        union = areas[candidate] + areas[rest] - intersection
        same_class = ordered_classes[rest] == ordered_classes[candidate]
        alive[rest] &= ~(same_class & (intersection > iou_threshold * union))
    return np.array(kept, np.int64)
