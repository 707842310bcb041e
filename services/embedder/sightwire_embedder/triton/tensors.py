"""Arrays as Triton's tensors, and back."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from sightwire.bundles.inference import Array
from sightwire.v1 import triton_pb2

#: Triton's name of each type that models of bundles have.
_NAMES: Final = {"uint8": "UINT8", "int32": "INT32", "int64": "INT64", "float16": "FP16", "float32": "FP32"}
_TYPES: Final = {name: np.dtype(numpy_name).newbyteorder("<") for numpy_name, name in _NAMES.items()}


def request_of(model: str, inputs: Mapping[str, Array], outputs: Sequence[str]) -> triton_pb2.ModelInferRequest:
    """One call of a model."""
    Input = triton_pb2.ModelInferRequest.InferInputTensor  # noqa: N806  a class
    Output = triton_pb2.ModelInferRequest.InferRequestedOutputTensor  # noqa: N806
    return triton_pb2.ModelInferRequest(
        model_name=model,
        inputs=[
            Input(name=name, datatype=_NAMES[array.dtype.name], shape=array.shape) for name, array in inputs.items()
        ],
        outputs=[Output(name=name) for name in outputs],
        raw_input_contents=[array.tobytes() for array in inputs.values()],
    )


def outputs_of(response: triton_pb2.ModelInferResponse, outputs: Sequence[str]) -> list[Array]:
    """The answer's tensors in the order of `outputs`: views, which cannot be written to.

    Raises:
        ValueError: an output is missing, or its bytes are not what it says.
    """
    arrays: dict[str, Array] = {
        tensor.name: np.frombuffer(content, _TYPES[tensor.datatype]).reshape(tuple(tensor.shape))
        for tensor, content in zip(response.outputs, response.raw_output_contents, strict=True)
    }
    missing = [name for name in outputs if name not in arrays]
    if missing:
        raise ValueError(f"expected the outputs {', '.join(outputs)}, but {', '.join(missing)} did not come")
    return [arrays[name] for name in outputs]
