"""Model bundles of a few bytes, which nothing can be computed with."""

import hashlib
from pathlib import Path
from typing import Any

import yaml

from sightwire.bundles import BUNDLE_FILE


def make_bundle(
    parent: Path, name: str = "tiny", version: str = "1", *, weights: bytes = b"weights", **members: Any
) -> Path:
    """The folder of a bundle with an image encoder."""
    folder = parent / f"{name}-{version}"
    (folder / "graphs").mkdir(parents=True)
    (folder / "graphs/image.onnx").write_bytes(weights)
    sha256 = hashlib.sha256(weights).hexdigest()
    description = {
        "format": 1,
        "name": name,
        "version": version,
        "space": "tiny-1",
        "dimension": 8,
        "metric": "cosine",
        "description": "A tiny one.",
        "image_encoder": {"file": "graphs/image.onnx", "size": 32},
        "provenance": "made for a test",
        "quality": [{"measure": "recall_at_1", "dataset": "drawn", "value": 0.5}],
        "files": [{"path": "graphs/image.onnx", "sha256": sha256, "licence": "CC0-1.0", "origin": "a test"}],
    }
    (folder / BUNDLE_FILE).write_text(yaml.safe_dump(description | members))
    return folder
