"""YOLO detectors of other people as that of a bundle: pixels in, boxes and a score for each class out."""

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from sightwire.bundles.spec import DetectorSpec
from sightwire_trainer.importing.errors import ImportRefusedError
from sightwire_trainer.importing.foreign_graph import PREFIX, ForeignGraph, Port, largest_batch
from sightwire_trainer.importing.picture_input import picture_input, picture_side
from sightwire_trainer.importing.yolo_outputs import BOXES, SCORES, Arrangement, Decoding, decoding, layout_required

#: What Ultralytics detects with, and the grey that it pads with.
_SCORE_THRESHOLD: Final = 0.25
_IOU_THRESHOLD: Final = 0.45
_PADDING: Final = (114, 114, 114)
_MAX_DETECTIONS: Final = 300
_STRIDE: Final = 32
_PIXELS: Final = f"{PREFIX}pixels"
_FREE: Final = ("batch", "height", "width")


@dataclass(frozen=True, slots=True)
class ImportedDetector:
    """A graph with the detector's interface of a bundle, its description, and the names of its classes."""

    model: onnx.ModelProto
    spec: DetectorSpec
    classes: list[str]
    origin: str


def import_detector(path: Path, *, size: int | None = None, classes: list[str] | None = None) -> ImportedDetector:
    """The YOLO detector in an ONNX file, which takes pictures float [batch, 3, height, width] of 0..1.

    It may answer raw boxes, [batch, 4 + classes, cells] or [batch, cells, 5 + classes], or chosen ones,
    [batch, boxes, 6] or [boxes, 6]. Without `size` and `classes` they are those that the file tells.

    Raises:
        ImportRefusedError: the graph takes or answers something else, or its classes are not known.
    """
    graph = ForeignGraph(path)
    given = picture_input(graph)
    side, multiple = _size(path, given, size)
    max_batch = largest_batch(path, given)
    name = graph.take_as(TensorProto.FLOAT, given)
    answers = graph.run({name: np.full((1, 3, side, side), 0.5, np.float32)})
    output, layout = layout_required(path, {key: answer.shape for key, answer in answers.items()}, side)
    names = classes or _classes_told(graph)
    if names is None:
        raise ImportRefusedError(f"{path} does not tell the names of its classes: give them by --classes")
    if layout.classes not in (None, len(names)):
        raise ImportRefusedError(
            f"{path}: expected scores of as many classes as there are names, {len(names)}; it answers {layout.classes}"
        )
    _take_pixels(graph, name)
    output = graph.answer_as_float(output, answers[output].shape)
    _answer_boxes_and_scores(graph, decoding(output, layout, len(names)), len(names))
    single = layout.arrangement is Arrangement.CHOSEN_OF_ONE
    spec = DetectorSpec(
        file="detector.onnx",
        size=side,
        size_multiple=multiple,
        padding=_PADDING,
        score_threshold=_SCORE_THRESHOLD,
        iou_threshold=_IOU_THRESHOLD,
        max_detections=_MAX_DETECTIONS,
        max_batch=1 if single else max_batch,
        input=_PIXELS,
        boxes_output=BOXES,
        scores_output=SCORES,
    )
    return ImportedDetector(graph.model, spec, names, path.name)


def _size(path: Path, given: Port, size: int | None) -> tuple[int, int]:
    """The longer side that pictures are scaled to, and the multiple that both sides are padded to."""
    side = picture_side(path, given, size)
    if side is None:
        raise ImportRefusedError(f"{path} takes pictures of any size: say by --detector-size which one")
    is_free = given.shape[2:] == (None, None)
    if is_free and side % _STRIDE:
        raise ImportRefusedError(f"expected a --detector-size that is a multiple of {_STRIDE}, got {side}")
    return side, _STRIDE if is_free else side


def _classes_told(graph: ForeignGraph) -> list[str] | None:
    """The names that Ultralytics writes into its files: `{0: 'person', 1: 'bicycle', ...}`."""
    told = graph.metadata.get("names")
    if told is None:
        return None
    try:
        names = ast.literal_eval(told)
    except (SyntaxError, ValueError):
        return None
    if isinstance(names, dict):
        names = [names[number] for number in sorted(names)]
    return [str(name) for name in names] if isinstance(names, list) and names else None


def _take_pixels(graph: ForeignGraph, given: str) -> None:
    """uint8 [batch, height, width, 3] in the place of float [batch, 3, height, width] of 0..1."""
    port = next(port for port in graph.inputs if port.name == given)
    batch, _, height, width = port.shape
    nodes = [
        helper.make_node("Transpose", [_PIXELS], [f"{PREFIX}planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Cast", [f"{PREFIX}planes"], [f"{PREFIX}numbers"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [f"{PREFIX}numbers", f"{PREFIX}one_255th"], [given]),
    ]
    graph.model.graph.initializer.append(numpy_helper.from_array(np.array(1 / 255, np.float32), f"{PREFIX}one_255th"))
    sizes = [size if size is not None else free for size, free in zip((batch, height, width), _FREE, strict=True)]
    graph.prepend(nodes, port, helper.make_tensor_value_info(_PIXELS, TensorProto.UINT8, [*sizes, 3]))


def _answer_boxes_and_scores(graph: ForeignGraph, decoded: Decoding, classes: int) -> None:
    graph.model.graph.node.extend(decoded.nodes)
    graph.model.graph.initializer.extend(decoded.constants)
    graph.answer_only(
        [
            helper.make_tensor_value_info(BOXES, TensorProto.FLOAT, ["batch", "boxes", 4]),
            helper.make_tensor_value_info(SCORES, TensorProto.FLOAT, ["batch", "boxes", classes]),
        ]
    )
