"""Builds TensorRT engines of a repository's models, on the machine with the GPU that runs them."""

import shlex
from collections.abc import Callable, Iterable

from sightwire_embedder.triton.configurations import ServedGraph, Tensor

_OPTIMAL_BATCH = 32

_HEAD = """\
#!/bin/sh
# Written by `sightwire models triton`: builds the TensorRT engines of the models beside it.
# Engines run on the kind of GPU and with the version of TensorRT that they were built with: run this where Triton runs,
# for example in its container. FP16, with profiles from one input to the largest batch.
set -eu
cd "$(dirname "$0")"
"""


def build_script(graphs: Iterable[ServedGraph]) -> str:
    """A shell script for the repository's folder."""
    return "\n".join([_HEAD, *map(_command, graphs)])


def _command(graph: ServedGraph) -> str:
    folder = f"{graph.model}/1"
    profiles: tuple[tuple[str, int, Callable[[Tensor], tuple[int, ...]]], ...] = (
        ("min", 1, lambda tensor: tensor.smallest),
        ("opt", min(_OPTIMAL_BATCH, graph.max_batch), lambda tensor: tensor.optimal),
        ("max", graph.max_batch, lambda tensor: tensor.largest),
    )
    words = [
        *("trtexec", f"--onnx={folder}/model.onnx", f"--saveEngine={folder}/model.plan", "--fp16", "--skipInference"),
        *(
            f"--{profile}Shapes=" + ",".join(_shape(tensor.name, batch, dims(tensor)) for tensor in graph.inputs)
            for profile, batch, dims in profiles
        ),
    ]
    return shlex.join(words) + "\n"


def _shape(name: str, batch: int, dims: tuple[int, ...]) -> str:
    return f"{name}:{'x'.join(map(str, (batch, *dims)))}"
