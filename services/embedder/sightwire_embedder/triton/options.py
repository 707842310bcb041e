"""How a Triton server is to run the models of a bundle."""

from dataclasses import dataclass
from enum import StrEnum


class TritonBackend(StrEnum):
    """What runs the models on the server."""

    #: Triton's own, on GPUs where there are some.
    ONNXRUNTIME = "onnxruntime"
    #: Engines that are built on the machine with the GPU.
    TENSORRT = "tensorrt"
    #: ONNX Runtime in Python, for a server with nothing but the Python backend, on CPUs.
    PYTHON = "python"


@dataclass(frozen=True, slots=True)
class ServingOptions:
    """What is the same for all models."""

    backend: TritonBackend = TritonBackend.ONNXRUNTIME
    #: Copies of each model that run side by side, on each GPU if there are several.
    instances: int = 1
    #: How long a call waits for others to share a batch with.
    max_queue_delay_microseconds: int = 0
    #: Batch sizes that need no such wait.
    preferred_batch_sizes: tuple[int, ...] = ()
