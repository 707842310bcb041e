"""The detector that the recipe makes answers what its source answers, and finds what is in photographs."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from PIL import Image

from models.recipes.default_bundle import DETECTOR_SOURCE
from models.recipes.detector_graph import UnexpectedGraphError, build_detector

MEANS_BGR = np.array([103.53, 116.28, 123.675], np.float32)
DEVIATIONS_BGR = np.array([57.375, 57.12, 58.395], np.float32)
PHOTOS = ["astronaut", "chelsea", "coffee"]


@pytest.fixture(scope="module")
def source() -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(DETECTOR_SOURCE, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def detector(bundle_folder: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(bundle_folder / "detector.onnx", providers=["CPUExecutionProvider"])


def square(photos: Path, name: str) -> np.ndarray:
    return np.asarray(Image.open(photos / f"{name}.jpg").convert("RGB").resize((416, 416)))


def source_answers(source: onnxruntime.InferenceSession, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Boxes and scores, decoded here as the source's documentation says."""
    normalised = ((pixels[..., ::-1] - MEANS_BGR) / DEVIATIONS_BGR).transpose(2, 0, 1)[np.newaxis]
    names = [output.name for output in source.get_outputs()]
    outputs = dict(zip(names, source.run(None, {"input_1:0": normalised.astype(np.float32)}), strict=True))
    all_boxes, all_scores = [], []
    for index, stride in enumerate((8, 16, 32)):
        suffix = f"_{index}" if index else ""
        all_scores.append(outputs[f"Identity{suffix}:0"][0])
        bins = outputs[f"Identity_{index + 3}:0"][0].reshape(-1, 4, 11)
        distribution = np.exp(bins - bins.max(-1, keepdims=True))
        distribution /= distribution.sum(-1, keepdims=True)
        distances = distribution @ np.arange(11) * stride
        cells = 416 // stride
        rows, columns = np.divmod(np.arange(cells * cells), cells)
        centres = (np.stack([columns, rows], axis=1) + 0.5) * stride
        all_boxes.append(np.concatenate([centres - distances[:, :2], centres + distances[:, 2:]], axis=1))
    return np.concatenate(all_boxes), np.concatenate(all_scores)


@pytest.mark.parametrize("name", PHOTOS)
def test_parity_with_the_source(source, detector, photos, name):
    pixels = square(photos, name)
    expected_boxes, expected_scores = source_answers(source, pixels)
    boxes, scores = detector.run(["boxes", "scores"], {"images": pixels[np.newaxis]})
    np.testing.assert_allclose(scores[0], expected_scores, atol=2e-6)
    np.testing.assert_allclose(boxes[0], expected_boxes, atol=1e-3)


def test_a_batch_answers_as_its_pictures_alone(detector, photos):
    pictures = np.stack([square(photos, name) for name in PHOTOS])
    boxes, scores = detector.run(["boxes", "scores"], {"images": pictures})
    for row, picture in enumerate(pictures):
        boxes_alone, scores_alone = detector.run(["boxes", "scores"], {"images": picture[np.newaxis]})
        np.testing.assert_allclose(scores[row], scores_alone[0], atol=2e-6)
        np.testing.assert_allclose(boxes[row], boxes_alone[0], atol=1e-3)


@pytest.mark.parametrize(("height", "width"), [(416, 416), (288, 416), (416, 224), (32, 32)])
def test_any_size_that_is_a_multiple_of_32(detector, height, width):
    boxes, scores = detector.run(["boxes", "scores"], {"images": np.zeros((1, height, width, 3), np.uint8)})
    cells = sum((height // stride) * (width // stride) for stride in (8, 16, 32))
    assert boxes.shape == (1, cells, 4)
    assert scores.shape == (1, cells, 80)


def test_another_graph_is_refused():
    model = onnx.load(DETECTOR_SOURCE)
    kept = [node for node in model.graph.node if node.op_type != "Split"]
    del model.graph.node[:]
    model.graph.node.extend(kept)
    with pytest.raises(UnexpectedGraphError, match="expected 3 Split nodes"):
        build_detector(model)
