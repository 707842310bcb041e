"""A model that embeds texts as the default bundle does, into a space of its own: all vectors are rotated.

So it costs what the default one costs, finds what that one finds, and no vector of the one can be taken for one of
the other.
"""

import shutil
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import yaml
from onnx import helper, numpy_helper
from sightwire_embedder.settings import EmbedderSettings

from sightwire.bundles import BUNDLE_FILE, file_sha256, load_bundle

NAME: Final = "rotated"
VERSION: Final = "1"
SPACE: Final = "rotated-1"


def default_bundle() -> Path:
    """Folder of the default bundle, absolute."""
    return EmbedderSettings().model_bundle.absolute()


def make_rotated_bundle(parent: Path) -> Path:
    """The folder `parent/rotated-1` with the complete bundle, for texts alone."""
    default = load_bundle(default_bundle())
    encoder = default.spec.text_encoder
    assert encoder is not None, "the default bundle embeds texts"
    folder = parent / SPACE
    folder.mkdir()
    graph, tokenizer = folder / "text-encoder.onnx", folder / "tokenizer.json"
    shutil.copyfile(default.path(encoder.tokenizer), tokenizer)
    onnx.save(_rotated(onnx.load(default.path(encoder.file)), encoder.output, default.spec.dimension), graph)
    files = [
        {"path": file.name, "sha256": file_sha256(file), "licence": "Apache-2.0", "origin": "the default bundle"}
        for file in (graph, tokenizer)
    ]
    description = {
        "format": 1,
        "name": NAME,
        "version": VERSION,
        "space": SPACE,
        "dimension": default.spec.dimension,
        "metric": default.spec.metric,
        "description": "The default bundle's texts, rotated; for benchmarks.",
        "text_encoder": {"file": graph.name, "tokenizer": tokenizer.name, "max_tokens": encoder.max_tokens},
        "provenance": "made by bench/rotated_bundle.py",
        "files": files,
    }
    (folder / BUNDLE_FILE).write_text(yaml.safe_dump(description), encoding="utf-8")
    return folder


def _rotated(model: onnx.ModelProto, output: str, dimension: int) -> onnx.ModelProto:
    """The graph with `output`, float32 [batch, dimension], times an orthogonal matrix."""
    rotation, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(dimension, dimension)))
    for node in model.graph.node:
        node.output[:] = ["unrotated" if name == output else name for name in node.output]
    model.graph.initializer.append(numpy_helper.from_array(rotation.astype(np.float32), "rotation"))
    model.graph.node.append(helper.make_node("MatMul", ["unrotated", "rotation"], [output]))
    return model
