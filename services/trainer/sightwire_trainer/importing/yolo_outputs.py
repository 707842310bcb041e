"""The forms in which YOLO detectors answer, and the nodes that make boxes and scores of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from sightwire_trainer.importing.errors import ImportRefusedError
from sightwire_trainer.importing.foreign_graph import PREFIX

_STRIDES: Final = (8, 16, 32)
_TO_THE_END: Final = np.iinfo(np.int64).max
#: Boxes of a graph that answers any number of them are cut and filled up to so many, so that pictures can be stacked.
BOXES_OF_ONE: Final = 300
#: Names of what is answered; the graph may have `boxes` and `scores` of its own.
BOXES: Final = f"{PREFIX}boxes"
SCORES: Final = f"{PREFIX}scores"


class Arrangement(Enum):
    """Boxes are centre, width and height, or corners, in pixels of the input."""

    #: [batch, 4 + classes, cells]: centres and sizes, then scores (YOLOv8 and later).
    CHANNELS_FIRST = auto()
    #: [batch, cells, 5 + classes]: centres and sizes, whether there is anything, then scores (YOLOv5 to v7).
    WITH_OBJECTNESS = auto()
    #: [batch, boxes, 6]: corners, score, class; overlaps are suppressed already (end-to-end).
    CHOSEN = auto()
    #: [boxes, 6]: likewise, of one picture.
    CHOSEN_OF_ONE = auto()


@dataclass(frozen=True, slots=True)
class YoloLayout:
    """How one output is to be read; chosen boxes do not tell how many classes there are."""

    arrangement: Arrangement
    classes: int | None = None


def layout_of(shape: Sequence[int], size: int) -> YoloLayout | None:
    """The layout of an output of this shape for one picture of size x size; None if it is none of YOLO's."""
    cells = sum((size // stride) ** 2 for stride in _STRIDES)
    if len(shape) == 2 and shape[1] == 6:
        return YoloLayout(Arrangement.CHOSEN_OF_ONE)
    if len(shape) != 3 or shape[0] != 1:
        return None
    rows, columns = shape[1:]
    if columns == cells and rows > 4:
        return YoloLayout(Arrangement.CHANNELS_FIRST, rows - 4)
    if columns > 5 and rows in (cells, 3 * cells):
        return YoloLayout(Arrangement.WITH_OBJECTNESS, columns - 5)
    return YoloLayout(Arrangement.CHOSEN) if columns == 6 else None


def layout_required(path: Path, shapes: dict[str, tuple[int, ...]], size: int) -> tuple[str, YoloLayout]:
    """The one output among `shapes` that is a YOLO detector's, and its layout.

    Raises:
        ImportRefusedError: there is none, or several.
    """
    layouts = {name: layout for name, shape in shapes.items() if (layout := layout_of(shape, size)) is not None}
    if len(layouts) == 1:
        return next(iter(layouts.items()))
    found = ", ".join(f"{name} {list(shape)}" for name, shape in shapes.items())
    raise ImportRefusedError(
        f"{path}: expected one output [1, 4 + classes, cells], [1, cells, 5 + classes], [1, boxes, 6] or [boxes, 6] of "
        f"a YOLO detector for a picture of {size} x {size}, got {found}"
    )


@dataclass(frozen=True, slots=True)
class Decoding:
    """Nodes and constants that answer `BOXES` and `SCORES`."""

    nodes: list[onnx.NodeProto]
    constants: list[onnx.TensorProto]


def decoding(output: str, layout: YoloLayout, classes: int) -> Decoding:
    """From a float32 output to `BOXES`, [batch, n, 4] as x1 y1 x2 y2, and `SCORES`, [batch, n, classes]."""
    made = _Nodes()
    match layout.arrangement:
        case Arrangement.CHANNELS_FIRST:
            rows = made.node("Transpose", [output], "rows", perm=[0, 2, 1])
            made.corners(rows)
            made.columns(rows, 4, _TO_THE_END, "scores")
        case Arrangement.WITH_OBJECTNESS:
            made.corners(output)
            present = made.columns(output, 4, 5, "present")
            each = made.columns(output, 5, _TO_THE_END, "each")
            made.node("Mul", [present, each], "scores")
        case Arrangement.CHOSEN:
            made.chosen(output, classes)
        case Arrangement.CHOSEN_OF_ONE:
            none = made.constant("no_boxes", np.zeros((BOXES_OF_ONE, 6), np.float32))
            filled = made.node("Concat", [output, none], "filled", axis=0)
            ends = made.constant("first", np.array([0])), made.constant("last", np.array([BOXES_OF_ONE]))
            cut = made.node("Slice", [filled, *ends, ends[0]], "cut")
            shape = made.constant("one_picture", np.array([1, BOXES_OF_ONE, 6]))
            made.chosen(made.node("Reshape", [cut, shape], "of_one"), classes)
    return Decoding(made.nodes, made.constants)


class _Nodes:
    """Nodes while they grow; every method answers the name of its result."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def node(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [f"{PREFIX}{output}"], **attributes))
        return f"{PREFIX}{output}"

    def constant(self, name: str, values: NDArray[Any]) -> str:
        self.constants.append(numpy_helper.from_array(values, f"{PREFIX}{name}"))
        return f"{PREFIX}{name}"

    def columns(self, rows: str, start: int, end: int, output: str) -> str:
        """[batch, n, start..end] of [batch, n, all]."""
        bounds = [
            self.constant(f"{output}_{name}", np.array([value], np.int64))
            for name, value in (("start", start), ("end", end), ("axis", 2))
        ]
        return self.node("Slice", [rows, *bounds], output)

    def corners(self, rows: str) -> None:
        """`boxes` of rows that begin with centre and size."""
        centre = self.columns(rows, 0, 2, "centre")
        sizes = self.columns(rows, 2, 4, "sizes")
        half = self.node("Mul", [sizes, self.constant("half", np.array(0.5, np.float32))], "half_sizes")
        upper = self.node("Sub", [centre, half], "upper")
        lower = self.node("Add", [centre, half], "lower")
        self.node("Concat", [upper, lower], "boxes", axis=2)

    def chosen(self, rows: str, classes: int) -> None:
        """`boxes` and `scores` of rows of corners, score and class: the score is that of the class, 0 of all others."""
        self.columns(rows, 0, 4, "boxes")
        score = self.columns(rows, 4, 5, "score")
        kind = self.columns(rows, 5, 6, "kind")
        kinds = self.constant("kinds", np.arange(classes, dtype=np.float32))
        is_kind = self.node("Equal", [kind, kinds], "is_kind")
        as_number = self.node("Cast", [is_kind], "is_kind_number", to=TensorProto.FLOAT)
        self.node("Mul", [score, as_number], "scores")
