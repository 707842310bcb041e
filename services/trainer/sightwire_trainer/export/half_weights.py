"""Graphs whose weights take half the room: stored as float16, computed with as float32."""

from typing import Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

#: Smaller tensors are left: they save nothing, and are what precision matters for, such as norms.
_SMALLEST: Final = 1024
_LARGEST_HALF: Final = float(np.finfo(np.float16).max)


def with_half_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose larger float32 weights are float16 and cast when the graph is loaded.

    Inputs, outputs and arithmetic stay float32, so that it takes half the space and as long as before.
    """
    halved = onnx.ModelProto()
    halved.CopyFrom(model)
    casts = []
    for tensor in halved.graph.initializer:
        values = numpy_helper.to_array(tensor) if tensor.data_type == TensorProto.FLOAT else np.empty(0)
        if values.size < _SMALLEST or np.abs(values).max() > _LARGEST_HALF:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
        casts.append(helper.make_node("Cast", [tensor.name], [name], name=f"{name}_cast", to=TensorProto.FLOAT))
    nodes = [*casts, *halved.graph.node]
    del halved.graph.node[:]
    halved.graph.node.extend(nodes)
    onnx.checker.check_model(halved)
    return halved
