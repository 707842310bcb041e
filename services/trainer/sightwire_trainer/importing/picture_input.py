"""The input of graphs that take pictures."""

from pathlib import Path

from onnx import TensorProto

from sightwire_trainer.importing.errors import ImportRefusedError
from sightwire_trainer.importing.foreign_graph import ForeignGraph, Port


def picture_input(graph: ForeignGraph) -> Port:
    """The one input of a graph, float [batch, 3, height, width].

    Raises:
        ImportRefusedError: it takes something else.
    """
    inputs = graph.inputs
    if len(inputs) == 1 and _takes_pictures(inputs[0]):
        return inputs[0]
    found = "; ".join(map(str, inputs))
    raise ImportRefusedError(
        f"{graph.path}: expected one input of pictures, float [batch, 3, height, width], got {found}"
    )


def picture_side(path: Path, given: Port, size: int | None) -> int | None:
    """Width and height of the pictures: as the graph fixes them, else `size`, else unknown.

    Raises:
        ImportRefusedError: the graph wants no squares, or others than of `size`.
    """
    fixed = {side for side in given.shape[2:] if side is not None}
    if len(fixed) > 1 or (size is not None and fixed - {size}):
        wanted = "squares" if size is None else f"squares of {size}"
        raise ImportRefusedError(f"{path}: expected pictures that are {wanted}, got {given}")
    return fixed.pop() if fixed else size


def _takes_pictures(port: Port) -> bool:
    return port.kind in (TensorProto.FLOAT, TensorProto.FLOAT16) and len(port.shape) == 4 and port.shape[1] in (3, None)
