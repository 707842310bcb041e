"""Captured towers as ONNX graphs that answer what the towers answer."""

import warnings
from typing import Final

import numpy as np
import onnx
import onnxruntime  # type: ignore[import-untyped]
import torch
from numpy.typing import NDArray
from onnxscript import rewriter
from onnxscript.rewriter.rules.common import fuse_batchnorm_into_conv_rule

from sightwire_trainer.export.errors import ExportError
from sightwire_trainer.export.parity import require_parity
from sightwire_trainer.export.tower_programs import Tensors, TowerProgram

#: The first one with a Gelu operator.
OPSET: Final = 20
#: Of inputs, in order; pictures have a free batch only.
_FREE_SIZES: Final = ("batch", "length")


def onnx_graph(tower: TowerProgram) -> onnx.ModelProto:
    """The tower in ONNX, any batch, batch norms folded into the convolutions before them.

    A head's batch norm stays a node of its own: training that starts from the file reads it.

    Raises:
        ExportError: an operation has no counterpart, or the graph answers something else than the tower.
    """
    model = rewriter.rewrite(_exported(tower), [fuse_batchnorm_into_conv_rule])
    _leave_out_sources(model)
    _name_sizes(model)
    onnx.checker.check_model(model)
    require_graph_parity("the ONNX graph", model, tower)
    return model


def require_graph_parity(what: str, model: onnx.ModelProto, tower: TowerProgram) -> float:
    """The largest difference between the vectors of a graph and of its tower.

    Raises:
        ExportError: it is more than rounding.
    """
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])

    def run(inputs: Tensors) -> NDArray[np.float32]:
        named = zip(tower.input_names, inputs, strict=True)
        vectors: NDArray[np.float32]
        (vectors,) = session.run([tower.output_name], {name: tensor.numpy() for name, tensor in named})
        return vectors

    return require_parity(what, tower, run)


def _exported(tower: TowerProgram) -> onnx.ModelProto:
    with warnings.catch_warnings():
        # About torch's own ways, which nobody who exports can change.
        warnings.simplefilter("ignore")
        try:
            exported = torch.onnx.export(
                tower.program,
                input_names=list(tower.input_names),
                output_names=[tower.output_name],
                opset_version=OPSET,
                verbose=False,
            )
        except torch.onnx.errors.OnnxExporterError as error:
            raise ExportError(f"torch cannot express {type(tower.tower).__name__} in ONNX: {error}") from error
    assert exported is not None
    model: onnx.ModelProto = exported.model_proto
    return model


def _leave_out_sources(model: onnx.ModelProto) -> None:
    """Takes out what tells of the machine, of the source lines that each node came from, and of sizes in between."""
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*model.graph.input, *model.graph.output):
        del value.metadata_props[:]
    for weights in model.graph.initializer:
        del weights.metadata_props[:]
    del model.graph.value_info[:]
    del model.graph.metadata_props[:]
    del model.metadata_props[:]


def _name_sizes(model: onnx.ModelProto) -> None:
    """Calls the free sizes by what they are; the exporter numbers them."""
    names: dict[str, str] = {}
    for value in (*model.graph.input, *model.graph.output):
        for size, name in zip(value.type.tensor_type.shape.dim, _FREE_SIZES, strict=False):
            if size.HasField("dim_param"):
                size.dim_param = names.setdefault(size.dim_param, name)
