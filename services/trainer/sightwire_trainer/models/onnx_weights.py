"""Weights out of ONNX files: of the trunk's convolutions, and of the layers of a published image encoder."""

from dataclasses import dataclass
from pathlib import Path

import onnx
import torch
from google.protobuf.message import DecodeError
from onnx import numpy_helper

from sightwire.errors import InvalidInputError


@dataclass(frozen=True, slots=True)
class OnnxGraph:
    """A graph's nodes in the order in which they are computed, and its weights by name."""

    path: Path
    nodes: tuple[onnx.NodeProto, ...]
    weights: dict[str, torch.Tensor]
    inputs: frozenset[str]

    def of_kind(self, operator: str) -> list[onnx.NodeProto]:
        """The nodes with this operator."""
        return [node for node in self.nodes if node.op_type == operator]

    def weight(self, node: onnx.NodeProto, position: int) -> torch.Tensor:
        """The weight that `node` reads as its input number `position`; raises `InvalidInputError` if it is none."""
        name = node.input[position] if position < len(node.input) else ""
        if name not in self.weights:
            raise InvalidInputError(f"{self.path}: expected a weight as input {position} of the node {node.name}")
        return self.weights[name]


def read_onnx_graph(path: Path) -> OnnxGraph:
    """The graph in the file. Raises `InvalidInputError` when it cannot be read."""
    try:
        graph = onnx.load(path).graph
    except (OSError, DecodeError) as error:
        raise InvalidInputError(f"cannot read {path} as an ONNX file: {error}") from error
    weights = {tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy()) for tensor in graph.initializer}
    inputs = frozenset(entry.name for entry in graph.input) - weights.keys()
    return OnnxGraph(path, tuple(graph.node), weights, inputs)


def trunk_convolutions(graph: OnnxGraph, count: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Weight [out, in, 3, 3] and bias [out] of the first `count` convolutions of 3 x 3, reading RGB.

    A detector's trunk comes before its neck and heads, whose convolutions are of 1 x 1 where they branch off.

    Raises:
        InvalidInputError: the graph has fewer of them.
    """
    nodes = [node for node in graph.of_kind("Conv") if graph.weight(node, 1).shape[2:] == (3, 3)][:count]
    if len(nodes) < count:
        raise InvalidInputError(
            f"{graph.path}: expected {count} convolutions of 3 x 3 of NanoDet-m's backbone, found {len(nodes)}"
        )
    convolutions = [(graph.weight(node, 1), graph.weight(node, 2)) for node in nodes]
    if _reads_bgr(graph, nodes[0]):
        weight, bias = convolutions[0]
        convolutions[0] = weight.flip(1), bias
    return convolutions


def _reads_bgr(graph: OnnxGraph, first: onnx.NodeProto) -> bool:
    """Whether the first convolution sees blue first.

    A graph that normalises by itself takes RGB, and turns it by a slice with step -1 if it needs BGR; one that does
    not normalise is NanoDet as published, which wants BGR.
    """
    producers = {output: node for node in graph.nodes for output in node.output}
    operators = []
    name = first.input[0]
    while name not in graph.inputs and name in producers:
        operators.append(producers[name].op_type)
        name = producers[name].input[0]
    return "Slice" in operators or not {"Div", "Sub", "Mul"}.intersection(operators)
