"""Boxes and scores to objects."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sightwire_embedder.detection import find_objects, suppress_overlaps

from sightwire.bundles.spec import DetectorSpec

SPEC = DetectorSpec(
    file="detector.onnx",
    size=416,
    size_multiple=32,
    padding=(0, 0, 0),
    score_threshold=0.35,
    iou_threshold=0.5,
    max_detections=3,
)


def objects_of(cells: list[tuple[tuple[float, ...], dict[int, float]]], **sizes: tuple[int, int]):
    """Objects in cells given as box and scores by class."""
    boxes = np.array([box for box, _ in cells], np.float32).reshape(-1, 4)
    scores = np.zeros((len(cells), 80), np.float32)
    for row, (_, classes) in enumerate(cells):
        for class_id, score in classes.items():
            scores[row, class_id] = score
    return find_objects(
        boxes,
        scores,
        SPEC,
        content_size=sizes.get("content", (416, 416)),
        picture_size=sizes.get("picture", (416, 416)),
    )


def test_nothing_above_the_threshold():
    assert objects_of([((0, 0, 50, 50), {3: 0.34})]) == []


def test_overlapping_boxes_of_one_class_become_the_best_one():
    found = objects_of([((0, 0, 100, 100), {3: 0.6}), ((5, 5, 105, 105), {3: 0.8}), ((200, 0, 300, 90), {3: 0.5})])
    assert [(item.x1, item.class_id) for item in found] == [(5, 3), (200, 3)]
    assert [item.confidence for item in found] == pytest.approx([0.8, 0.5])


def test_overlapping_boxes_of_two_classes_both_stay():
    found = objects_of([((0, 0, 100, 100), {3: 0.6, 7: 0.7})])
    assert [item.class_id for item in found] == [7, 3]


def test_the_most_certain_ones_are_kept():
    found = objects_of([((100 * n, 0, 100 * n + 50, 50), {1: 0.4 + n / 10}) for n in range(4)])
    assert [round(item.confidence, 1) for item in found] == [0.7, 0.6, 0.5]


def test_boxes_come_in_pixels_of_the_picture_and_inside_it():
    (found,) = objects_of([((-20, 104, 500, 320), {1: 0.9})], content=(416, 312), picture=(1664, 1248))
    assert (found.x1, found.y1, found.x2, found.y2) == pytest.approx((0, 416, 1664, 1248))


def test_a_box_in_the_padding_is_no_object():
    assert objects_of([((10, 313, 100, 320), {1: 0.9})], content=(416, 312), picture=(416, 312)) == []


def naive_suppression(boxes, confidences, classes, threshold, limit):
    kept: list[int] = []
    for candidate in sorted(range(len(boxes)), key=lambda index: -confidences[index]):
        for other in kept:
            if classes[other] != classes[candidate]:
                continue
            width = min(boxes[other][2], boxes[candidate][2]) - max(boxes[other][0], boxes[candidate][0])
            height = min(boxes[other][3], boxes[candidate][3]) - max(boxes[other][1], boxes[candidate][1])
            intersection = max(width, 0) * max(height, 0)
            areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (boxes[other], boxes[candidate])]
            if intersection > threshold * (sum(areas) - intersection):
                break
        else:
            kept.append(candidate)
    return kept[:limit]


boxes_strategy = st.lists(
    st.tuples(st.integers(0, 50), st.integers(0, 50), st.integers(1, 50), st.integers(1, 50), st.integers(0, 2)),
    min_size=1,
    max_size=30,
)


@given(boxes_strategy, st.integers(1, 40), st.randoms(use_true_random=False))
def test_suppression_is_the_textbooks(rows, limit, random):
    boxes = np.array([(x, y, x + w, y + h) for x, y, w, h, _ in rows], np.float32)
    classes = np.array([row[4] for row in rows])
    confidences = np.array(random.sample(range(1000), len(rows)), np.float32) / 1000
    kept = suppress_overlaps(boxes, confidences, classes, 0.5, limit)
    assert kept.tolist() == naive_suppression(boxes.tolist(), confidences, classes, 0.5, limit)
