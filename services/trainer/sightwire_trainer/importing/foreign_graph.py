"""Graphs of other people: what they take and answer, found out by reading and by running them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import onnxruntime  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import TensorProto, helper

from sightwire_trainer.importing.errors import ImportRefusedError

#: Of operators that are put in: Equal of floats, Slice with inputs.
_FIRST_OPSET: Final = 11
#: Of nodes and values that are put in, so that they are nobody else's.
PREFIX: Final = "sightwire_"


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output: its name, its type by ONNX's number, and its sizes, None where they are free."""

    name: str
    kind: int
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        sizes = ", ".join("?" if size is None else str(size) for size in self.shape)
        return f"{self.name}: {TensorProto.DataType.Name(self.kind).lower()} [{sizes}]"


class ForeignGraph:
    """A graph that is looked at, tried, and given other inputs and outputs."""

    def __init__(self, path: Path) -> None:
        """Raises `ImportRefusedError` when the file is no graph of ONNX, or of too old an opset."""
        self.path = path
        try:
            self.model = onnx.load(path)
            onnx.checker.check_model(self.model)
        except (OSError, DecodeError, onnx.checker.ValidationError) as error:
            raise ImportRefusedError(f"cannot read {path} as an ONNX file: {error}") from error
        opset = next((entry.version for entry in self.model.opset_import if entry.domain in ("", "ai.onnx")), 0)
        if opset < _FIRST_OPSET:
            raise ImportRefusedError(f"{path}: expected opset {_FIRST_OPSET} or later, got {opset}; export it again")

    @property
    def inputs(self) -> list[Port]:
        """What must be given; older files list their weights among the inputs."""
        weights = {tensor.name for tensor in self.model.graph.initializer}
        return [_port(value) for value in self.model.graph.input if value.name not in weights]

    @property
    def outputs(self) -> list[Port]:
        return [_port(value) for value in self.model.graph.output]

    @property
    def metadata(self) -> dict[str, str]:
        """What the exporter wrote about the model."""
        return {entry.key: entry.value for entry in self.model.metadata_props}

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """All outputs by name. Raises `ImportRefusedError` when the graph does not take these inputs."""
        names = [output.name for output in self.outputs]
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        try:
            session = onnxruntime.InferenceSession(
                self.model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
            return dict(zip(names, session.run(names, dict(inputs)), strict=True))
        except Exception as error:  # the library's errors share no narrower base class
            shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in inputs.items())
            raise ImportRefusedError(f"{self.path} does not take {shapes}: {error}") from error

    def prepend(self, nodes: Sequence[onnx.NodeProto], replaced: Port, given: onnx.ValueInfoProto | None) -> None:
        """Puts `nodes` before all others, which make what was the input `replaced` out of `given` (none: nothing)."""
        graph = self.model.graph
        after = [*nodes, *graph.node]
        del graph.node[:]
        graph.node.extend(after)
        inputs = [given if value.name == replaced.name else value for value in graph.input]
        del graph.input[:]
        graph.input.extend(value for value in inputs if value is not None)

    def answer_only(self, outputs: Sequence[onnx.ValueInfoProto]) -> None:
        """Makes these the graph's outputs."""
        del self.model.graph.output[:]
        self.model.graph.output.extend(outputs)

    def answer_as_float(self, output: str, shape: Sequence[int | str]) -> str:
        """Makes `output`, as float32 of this shape, the only one; answers its name."""
        kind = next(port.kind for port in self.outputs if port.name == output)
        if kind != TensorProto.FLOAT:
            self.model.graph.node.append(
                helper.make_node("Cast", [output], [f"{PREFIX}float_{output}"], to=TensorProto.FLOAT)
            )
            output = f"{PREFIX}float_{output}"
        self.answer_only([helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)])
        return output

    def take_as(self, kind: int, given: Port) -> str:
        """Makes the graph take numbers of another type in the place of `given`; answers the input's name."""
        if given.kind == kind:
            return given.name
        name = f"{PREFIX}given_{given.name}"
        cast = helper.make_node("Cast", [name], [given.name], to=given.kind)
        self.prepend([cast], given, helper.make_tensor_value_info(name, kind, list(given.shape)))
        return name


def largest_batch(path: Path, given: Port) -> int | None:
    """1 for a graph of single inputs, None for one of any batch.

    Raises:
        ImportRefusedError: the batch is fixed to another number, which would have to be filled up.
    """
    batch = given.shape[0]
    if batch is not None and batch != 1:
        raise ImportRefusedError(
            f"{path}: expected a free batch, or single inputs, got {given}; export it with a dynamic batch"
        )
    return batch


def vector_output(path: Path, answers: Mapping[str, NDArray[Any]], dimension: int | None) -> tuple[str, int]:
    """The output with one vector for the one input that was tried, and its dimension.

    Raises:
        ImportRefusedError: there is none, or several, of the wanted dimension.
    """
    found = {name: answer.shape[1] for name, answer in answers.items() if answer.ndim == 2 and len(answer) == 1}
    wanted = {name: size for name, size in found.items() if dimension in (None, size)}
    # Of CLIP-like models, features before the projection may be answered too.
    named = {name: size for name, size in wanted.items() if "embed" in name.lower()}
    chosen = wanted if len(wanted) == 1 else named
    if len(chosen) == 1:
        return next(iter(chosen.items()))
    shapes = ", ".join(f"{name} {list(np.shape(answer))}" for name, answer in answers.items())
    size = "dimension" if dimension is None else dimension
    raise ImportRefusedError(
        f"{path}: expected one output [batch, {size}] with a pooled vector for each input, got {shapes}"
        + ("; say which by --dimension" if len(wanted) > 1 and dimension is None else "")
    )


def _port(value: onnx.ValueInfoProto) -> Port:
    tensor = value.type.tensor_type
    sizes = tuple(size.dim_value if size.HasField("dim_value") else None for size in tensor.shape.dim)
    return Port(value.name, tensor.elem_type, sizes)
