"""Turns the NanoDet graph that tf2onnx wrote into a detector that serves: any batch, any size, boxes instead of bins.

The source graph (`models/default/source/nanodet-m-416.onnx`) is fixed to one picture of 416 x 416, pads in nodes of
its own, wants normalised BGR and answers six tensors of raw scores and distance distributions. The graph made here

- takes `images`, uint8 [batch, height, width, 3], RGB, letterboxed; height and width are multiples of 32;
- answers `boxes`, float32 [batch, cells, 4], x1 y1 x2 y2 in pixels of the letterboxed picture, and
  `scores`, float32 [batch, cells, 80], one sigmoid per class; cells of stride 8 come first, then 16, then 32;
- keeps every weight of the source as it is, so that only the order of float operations differs.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8
STRIDES = (8, 16, 32)
CLASS_COUNT = 80
BINS_PER_SIDE = 11
# Means and deviations of the source's BGR input, as the three channels of an RGB input.
MEANS_RGB = (123.675, 116.28, 103.53)
DEVIATIONS_RGB = (58.395, 57.12, 57.375)


class UnexpectedGraphError(ValueError):
    """The source graph is not the one that this recipe was written for."""


def build_detector(source: onnx.ModelProto) -> onnx.ModelProto:
    """The serving detector (see the module's docstring) made from NanoDet's `source` graph.

    Raises `UnexpectedGraphError` when a node that the recipe relies on is missing.
    """
    weights = {tensor.name: tensor for tensor in source.graph.initializer}
    trunk = _fold_padding(source.graph.node, weights)
    heads = _head_convolutions(trunk)
    input_name = source.graph.input[0].name
    kept = _ancestors(trunk, [head.output[0] for head in heads])
    kept_weights = [weights[name] for name in dict.fromkeys(i for node in kept for i in node.input) if name in weights]
    kept_weights = _flip_first_convolution_to_rgb(kept, kept_weights, input_name)
    normalise, normalise_weights = _normalisation(input_name)
    decode, decode_weights = _decoding([head.output[0] for head in heads])
    graph = helper.make_graph(
        [*normalise, *kept, *decode],
        "nanodet-m",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", "height", "width", 3])],
        [
            helper.make_tensor_value_info("boxes", TensorProto.FLOAT, ["batch", "cells", 4]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", "cells", CLASS_COUNT]),
        ],
        initializer=[*kept_weights, *normalise_weights, *decode_weights],
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="sightwire",
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def _fold_padding(nodes: Iterable[onnx.NodeProto], weights: dict[str, onnx.TensorProto]) -> list[onnx.NodeProto]:
    """The nodes with each Pad moved into the convolution or pooling that reads it.

    Exact: a convolution pads with 0 as the Pad nodes do, a MaxPool with minus infinity as its Pad does.
    """
    pads: dict[str, onnx.NodeProto] = {}
    folded = []
    for node in nodes:
        if node.op_type == "Pad":
            pads[node.output[0]] = node
            continue
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        pad = pads.get(node.input[0])
        if pad is not None:
            if node.op_type not in ("Conv", "MaxPool"):
                raise UnexpectedGraphError(f"expected a Conv or MaxPool after a Pad, found {node.op_type}")
            before_and_after = numpy_helper.to_array(weights[pad.input[1]])
            top, left, bottom, right = (int(before_and_after[axis]) for axis in (2, 3, 6, 7))
            copy.input[0] = pad.input[0]
            copy.attribute.append(helper.make_attribute("pads", [top, left, bottom, right]))
        folded.append(copy)
    return folded


def _head_convolutions(nodes: list[onnx.NodeProto]) -> list[onnx.NodeProto]:
    """The three convolutions whose outputs are scores and bins, ordered by stride 8, 16, 32."""
    producers = {output: node for node in nodes for output in node.output}
    splits = [node for node in nodes if node.op_type == "Split"]
    if len(splits) != len(STRIDES):
        raise UnexpectedGraphError(f"expected {len(STRIDES)} Split nodes, one a stride, found {len(splits)}")
    # tf2onnx wrote the heads from the coarsest stride to the finest.
    return [producers[split.input[0]] for split in reversed(splits)]


def _ancestors(nodes: list[onnx.NodeProto], outputs: list[str]) -> list[onnx.NodeProto]:
    """The nodes that `outputs` are computed from, in their order."""
    needed = set(outputs)
    kept = []
    for node in reversed(nodes):
        if needed.intersection(node.output):
            kept.append(node)
            needed.update(node.input)
    return kept[::-1]


def _flip_first_convolution_to_rgb(
    nodes: list[onnx.NodeProto], weights: list[onnx.TensorProto], input_name: str
) -> list[onnx.TensorProto]:
    """The weights with the first convolution's input channels turned from BGR to RGB."""
    first = next(node for node in nodes if node.input[0] == input_name)
    flipped_name = first.input[1]
    return [
        numpy_helper.from_array(np.ascontiguousarray(numpy_helper.to_array(tensor)[:, ::-1]), tensor.name)
        if tensor.name == flipped_name
        else tensor
        for tensor in weights
    ]


def _normalisation(normalised_name: str) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """uint8 NHWC to the normalised float32 NCHW that the trunk reads."""
    nodes = [
        helper.make_node("Transpose", ["images"], ["images_nchw"], perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["images_nchw"], ["images_float"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["images_float", "means"], ["images_centred"]),
        helper.make_node("Div", ["images_centred", "deviations"], [normalised_name]),
    ]
    constants = [
        _constant("means", np.array(MEANS_RGB, np.float32).reshape(1, 3, 1, 1)),
        _constant("deviations", np.array(DEVIATIONS_RGB, np.float32).reshape(1, 3, 1, 1)),
    ]
    return nodes, constants


def _decoding(head_outputs: list[str]) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """From each stride's [batch, 80 + 44, rows, columns] to all strides' boxes and scores."""
    nodes: list[onnx.NodeProto] = []
    constants = [
        _constant("flat_cells", np.array([0, 0, -1], np.int64)),
        _constant("split_scores_bins", np.array([CLASS_COUNT, 4 * BINS_PER_SIDE], np.int64)),
        _constant("bins_shape", np.array([0, -1, 4, BINS_PER_SIDE], np.int64)),
        _constant("bin_values", np.arange(BINS_PER_SIDE, dtype=np.float32).reshape(BINS_PER_SIDE, 1)),
        _constant("split_sides", np.array([2, 2], np.int64)),
        _constant("zero", np.array(0, np.int64)),
        _constant("one", np.array(1, np.int64)),
        _constant("pair_shape", np.array([1, -1, 2], np.int64)),
        _constant("half", np.array(0.5, np.float32)),
        _constant("row_axis", np.array(2, np.int64)),
        _constant("column_axis", np.array(3, np.int64)),
        _constant("last_axis", np.array([-1], np.int64)),
    ]
    for stride, output in zip(STRIDES, head_outputs, strict=True):
        stride_nodes, stride_constants = _decode_stride(stride, output)
        nodes += stride_nodes
        constants += stride_constants
    nodes += [
        helper.make_node("Concat", [f"boxes_{stride}" for stride in STRIDES], ["boxes"], axis=1),
        helper.make_node("Concat", [f"scores_{stride}" for stride in STRIDES], ["scores"], axis=1),
    ]
    return nodes, constants


def _decode_stride(stride: int, output: str) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """Boxes and scores of one stride.

    A side's distance from the cell's centre is the mean of its softmaxed distribution over 0..10, times the stride.
    """

    def named(name: str) -> str:
        return f"{name}_{stride}"

    def node(operator: str, inputs: list[str], outputs: list[str], **attributes: Any) -> onnx.NodeProto:
        return helper.make_node(operator, inputs, [named(name) for name in outputs], **attributes)

    nodes = [
        node("Reshape", [output, "flat_cells"], ["channels_first"]),
        node("Transpose", [named("channels_first")], ["cells"], perm=[0, 2, 1]),
        node("Split", [named("cells"), "split_scores_bins"], ["logits", "bins_flat"], axis=2),
        node("Sigmoid", [named("logits")], ["scores"]),
        node("Reshape", [named("bins_flat"), "bins_shape"], ["bins"]),
        node("Softmax", [named("bins")], ["distribution"], axis=-1),
        node("MatMul", [named("distribution"), "bin_values"], ["distances_in_cells"]),
        node("Squeeze", [named("distances_in_cells"), "last_axis"], ["distances_squeezed"]),
        node("Mul", [named("distances_squeezed"), named("stride")], ["distances"]),
        # Centres (x + 0.5, y + 0.5) * stride of the cells in row order, from the map's own size.
        node("Shape", [output], ["map_shape"]),
        node("Gather", [named("map_shape"), "row_axis"], ["rows"]),
        node("Gather", [named("map_shape"), "column_axis"], ["columns"]),
        node("Mul", [named("rows"), named("columns")], ["cell_count"]),
        node("Range", ["zero", named("cell_count"), "one"], ["cell_indices"]),
        node("Mod", [named("cell_indices"), named("columns")], ["cell_columns"]),
        node("Div", [named("cell_indices"), named("columns")], ["cell_rows"]),
        node("Unsqueeze", [named("cell_columns"), "last_axis"], ["cell_columns_column"]),
        node("Unsqueeze", [named("cell_rows"), "last_axis"], ["cell_rows_column"]),
        node("Concat", [named("cell_columns_column"), named("cell_rows_column")], ["cell_pairs"], axis=-1),
        node("Reshape", [named("cell_pairs"), "pair_shape"], ["cell_positions"]),
        node("Cast", [named("cell_positions")], ["cell_positions_float"], to=TensorProto.FLOAT),
        node("Add", [named("cell_positions_float"), "half"], ["centres_in_cells"]),
        node("Mul", [named("centres_in_cells"), named("stride")], ["centres"]),
        node("Split", [named("distances"), "split_sides"], ["left_top", "right_bottom"], axis=2),
        node("Sub", [named("centres"), named("left_top")], ["upper_corners"]),
        node("Add", [named("centres"), named("right_bottom")], ["lower_corners"]),
        node("Concat", [named("upper_corners"), named("lower_corners")], ["boxes"], axis=2),
    ]
    return nodes, [_constant(named("stride"), np.array(stride, np.float32))]


def _constant(name: str, values: NDArray[np.generic]) -> onnx.TensorProto:
    return numpy_helper.from_array(np.asarray(values), name)
