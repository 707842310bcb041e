"""Graphs that compute with integers of 8 bits: an image encoder calibrated by pictures, a text encoder without."""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import (  # type: ignore[import-untyped]
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process  # type: ignore[import-untyped]

#: The convolutions, and what lies between them, so that numbers stay integers from one to the next. What is left, such
#: as norms and the head, is little of the time and much of the precision.
_STATIC_OPERATORS: Final = frozenset({"Conv", "LeakyRelu", "Relu", "Concat", "MaxPool", "Add"})
_DYNAMIC_OPERATORS: Final = frozenset({"MatMul", "Gemm", "Gather"})
#: Weights of 7 bits keep processors without VNNI from overflowing their sums of 16 bits.
_REDUCE_RANGE: Final = True

#: The library names what it adds after the tensor it is for, and does not look whether there is one of that name.
_ADDED_SUFFIXES: Final = ("_scale", "_zero_point", "_quantized")

Inputs = Mapping[str, NDArray[Any]]


def calibrated_integers(model: onnx.ModelProto, batches: Iterable[Inputs]) -> onnx.ModelProto:
    """The graph with its convolutions in 8 bits, their ranges taken from what `batches` of inputs give rise to."""

    def quantise(source: Path, target: Path) -> None:
        quantize_static(
            source,
            target,
            _Batches(batches),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=sorted(_STATIC_OPERATORS),
            per_channel=True,
            reduce_range=_REDUCE_RANGE,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )

    return _quantised(model, quantise)


def dynamic_integers(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with products of matrices and token vectors in 8 bits, ranges found anew in each call."""

    def quantise(source: Path, target: Path) -> None:
        quantize_dynamic(
            source,
            target,
            op_types_to_quantize=sorted(_DYNAMIC_OPERATORS),
            per_channel=True,
            reduce_range=_REDUCE_RANGE,
            weight_type=QuantType.QInt8,
        )

    return _quantised(model, quantise)


class _Batches(CalibrationDataReader):  # type: ignore[misc]
    """The batches as the library asks for them."""

    def __init__(self, batches: Iterable[Inputs]) -> None:
        self._batches = iter(batches)

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        batch = next(self._batches, None)
        return None if batch is None else dict(batch)


def _quantised(model: onnx.ModelProto, quantise: Callable[[Path, Path], None]) -> onnx.ModelProto:
    with tempfile.TemporaryDirectory() as folder:
        given, prepared, target = (Path(folder) / f"{name}.onnx" for name in ("given", "prepared", "integers"))
        # Sizes that the graph tells of its weights would contradict those that the library transposes.
        plain = onnx.ModelProto()
        plain.CopyFrom(model)
        del plain.graph.value_info[:]
        _leave_names_free(plain.graph)
        onnx.save(plain, given)
        # Shapes must be known; operators are not fused here, which would tie the file to one version of the engine.
        quant_pre_process(given, prepared, skip_optimization=True, skip_symbolic_shape=True)
        quantise(prepared, target)
        return onnx.load(target)


def _leave_names_free(graph: onnx.GraphProto) -> None:
    """Renames the tensors inside that have names which the library may give to what it adds."""
    kept = {value.name for value in (*graph.input, *graph.output)}
    names = [*(tensor.name for tensor in graph.initializer), *(name for node in graph.node for name in node.output)]
    renamed = {name: f"{name}_given" for name in names if name.endswith(_ADDED_SUFFIXES) and name not in kept}
    for tensor in graph.initializer:
        tensor.name = renamed.get(tensor.name, tensor.name)
    for node in _nodes_within(graph):
        node.input[:] = [renamed.get(name, name) for name in node.input]
        node.output[:] = [renamed.get(name, name) for name in node.output]


def _nodes_within(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """All nodes, those of branches and loops too."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else ())):
                yield from _nodes_within(inner)
