"""Small bundles that embed pictures by their mean colour and texts by their words, each in a space of its own."""

import itertools
import math
from datetime import UTC, datetime
from pathlib import Path

import yaml

from services.trainer.tests import small_graphs
from sightwire.blobs import BlobStore
from sightwire.bundles import BUNDLE_FILE, file_sha256, load_bundle
from sightwire.bundles.stored_files import BundleFiles
from sightwire.contracts.embedding_models import EmbeddingModel
from sightwire.contracts.models import ModelId

#: What the small bundles' texts are made of.
_WORDS = ("a", "red", "apple", "cat", "photo", "of")


def make_small_bundle(parent: Path, version: str, *, dimension: int) -> Path:
    """The folder of the bundle `small` of a version, in the space `small-<version>`."""
    folder = parent / f"small-{version}"
    folder.mkdir(parents=True)
    files = [
        small_graphs.image_encoder(folder / "image.onnx", dimension=dimension),
        small_graphs.text_encoder(folder / "text.onnx", dimension=dimension),
        small_graphs.tokenizer(folder / "tokenizer.json"),
    ]
    description = {
        "format": 1,
        "name": "small",
        "version": version,
        "space": f"small-{version}",
        "dimension": dimension,
        "metric": "cosine",
        "description": "for tests",
        "image_encoder": {"file": "image.onnx", "size": 32, "input": "pixels", "output": "image_embeds"},
        "text_encoder": {
            "file": "text.onnx",
            "tokenizer": "tokenizer.json",
            "max_tokens": 16,
            "output": "text_embeds",
        },
        "provenance": "made for tests",
        "files": [
            {"path": file.name, "sha256": file_sha256(file), "licence": "CC0-1.0", "origin": "a test"} for file in files
        ],
    }
    (folder / BUNDLE_FILE).write_text(yaml.safe_dump(description))
    return folder


async def store_bundle(blobs: BlobStore, folder: Path) -> EmbeddingModel:
    """Puts a bundle's files where embedders fetch them; what embedders are told of it."""
    bundle = load_bundle(folder)
    files = await BundleFiles(blobs).store(bundle)
    (description,) = [file for file in files if file.path == BUNDLE_FILE]
    return EmbeddingModel(
        model=ModelId(name=bundle.spec.name, version=bundle.spec.version),
        space=bundle.spec.space,
        bundle_sha256=description.sha256,
        files=files,
        requested_at=datetime.now(UTC),
    )


def captions(count: int) -> list[str]:
    """So many texts, at most some 3,000, whose vectors point in different directions in each small bundle."""
    counts = itertools.product(range(4), repeat=len(_WORDS))
    found = [
        " ".join(word for word, times in zip(_WORDS, one, strict=True) for _ in range(times))
        for one in counts
        if math.gcd(*one) == 1
    ]
    return found[:: len(found) // count][:count]
