"""A graph of a bundle, run by ONNX Runtime in Triton's Python backend."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# The backend's interpreter passes over it.
sys.path[:0] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))

import numpy as np  # noqa: E402
import triton_python_backend_utils as pb_utils  # type: ignore[import-not-found] # noqa: E402


class TritonPythonModel:
    """What the backend makes an instance of, in a process of its own."""

    def initialize(self, args: Mapping[str, str]) -> None:
        """Loads `model.onnx` from the folder of the version."""
        folder = Path(args["model_repository"], args["model_version"])
        sys.path.insert(0, str(folder / "sightwire.zip"))
        from sightwire.bundles.inference import OnnxRuntimeLoader

        configuration = json.loads(args["model_config"])
        instances = sum(group["count"] for group in configuration["instance_group"])
        self._inputs = [tensor["name"] for tensor in configuration["input"]]
        self._outputs = [tensor["name"] for tensor in configuration["output"]]
        loader = OnnxRuntimeLoader(threads_per_call=max(1, (os.cpu_count() or 1) // instances))
        self._graph = loader.load(folder / "model.onnx", self._outputs)

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """All requests in one call: the server brings only those of the same shapes together."""
        inputs = {name: [_array_of(request, name) for request in requests] for name in self._inputs}
        rows = [len(array) for array in inputs[self._inputs[0]]]
        outputs = self._graph.run(
            {name: arrays[0] if len(arrays) == 1 else np.concatenate(arrays) for name, arrays in inputs.items()}
        )
        ends = np.cumsum(rows)[:-1]
        parts = [np.split(output, ends) for output in outputs]
        return [
            pb_utils.InferenceResponse(
                [pb_utils.Tensor(name, part[number]) for name, part in zip(self._outputs, parts, strict=True)]
            )
            for number in range(len(requests))
        ]


def _array_of(request: Any, name: str) -> Any:
    return pb_utils.get_input_tensor_by_name(request, name).as_numpy()
