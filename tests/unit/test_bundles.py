"""Bundles are described completely and verified file by file."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from sightwire.bundles import BUNDLE_FILE, BundleError, BundleSpec, load_bundle
from sightwire.errors import ConfigurationError

CONTENT = {"text-encoder.onnx": b"graph", "tokenizer.json": b"{}", "detector.onnx": b"boxes"}


def description(**changes: Any) -> dict[str, Any]:
    document: dict[str, Any] = {
        "format": 1,
        "name": "small",
        "version": "3",
        "space": "small-3",
        "dimension": 8,
        "metric": "cosine",
        "description": "for tests",
        "text_encoder": {"file": "text-encoder.onnx", "tokenizer": "tokenizer.json", "max_tokens": 16},
        "detector": {
            "file": "detector.onnx",
            "size": 64,
            "size_multiple": 32,
            "padding": [0, 0, 0],
            "score_threshold": 0.4,
            "iou_threshold": 0.5,
            "max_detections": 10,
        },
        "classes": ["cat"],
        "provenance": "made up",
        "files": [
            {
                "path": path,
                "sha256": hashlib.sha256(content).hexdigest(),
                "licence": "Apache-2.0",
                "origin": "this test",
            }
            for path, content in CONTENT.items()
        ],
    }
    return {key: value for key, value in {**document, **changes}.items() if value is not None}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in CONTENT.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / BUNDLE_FILE).write_text(yaml.safe_dump(description()))
    return tmp_path


def test_a_good_bundle(folder):
    bundle = load_bundle(folder)
    assert bundle.spec.space == "small-3"
    assert bundle.path("tokenizer.json").read_bytes() == b"{}"


def test_an_altered_file_is_named_with_what_was_expected_and_found(folder):
    (folder / "detector.onnx").write_bytes(b"other")
    expected, found = (hashlib.sha256(content).hexdigest() for content in (b"boxes", b"other"))
    with pytest.raises(BundleError, match=rf"detector\.onnx: expected sha256 {expected}, found {found}"):
        load_bundle(folder)
    assert load_bundle(folder, verify=False).spec.name == "small"


def test_a_missing_file_is_named(folder):
    (folder / "tokenizer.json").unlink()
    with pytest.raises(BundleError, match=r"tokenizer\.json: expected sha256 .*, found No such file"):
        load_bundle(folder)


def test_a_folder_without_description(tmp_path):
    with pytest.raises(BundleError, match=r"A bundle is a folder with a bundle\.yaml"):
        load_bundle(tmp_path)
    assert issubclass(BundleError, ConfigurationError), "no service starts with a bad bundle"


@pytest.mark.parametrize("text", ["{", "- a list", "name: half"])
def test_a_description_that_is_none(tmp_path, text):
    (tmp_path / BUNDLE_FILE).write_text(text)
    with pytest.raises(BundleError, match="does not describe a bundle"):
        load_bundle(tmp_path)


FILES = description()["files"]
DETECTOR = description()["detector"]
TEXTS = description()["text_encoder"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"space": "Small 3"}, "space", id="a space that cannot be in a subject"),
        pytest.param({"metric": "manhattan"}, "metric", id="an unknown metric"),
        pytest.param({"dimensions": 8}, "dimensions", id="a misspelt key"),
        pytest.param({"files": FILES[:2]}, r"missing: detector\.onnx", id="a file without checksum"),
        pytest.param({"files": [*FILES, FILES[0]]}, "listed twice", id="a file listed twice"),
        pytest.param({"files": [{**FILES[0], "path": "../secret"}]}, "inside the bundle", id="a path that leaves"),
        pytest.param({"files": [{**FILES[0], "path": "/etc/passwd"}]}, "inside the bundle", id="an absolute path"),
        pytest.param({"files": [{**FILES[0], "sha256": "abc"}]}, "sha256", id="a checksum that is none"),
        pytest.param({"classes": None}, "needs `classes`", id="a detector without class names"),
        pytest.param({"detector": {**DETECTOR, "size": 65}}, "multiple of size_multiple", id="an odd detector size"),
        pytest.param(
            {"text_encoder": {**TEXTS, "padded_length": 15}}, "at least max_tokens 16", id="too little padding"
        ),
        pytest.param(
            {"text_encoder": None, "document_encoder": TEXTS}, "needs a text_encoder", id="nothing to search with"
        ),
        pytest.param(
            {"text_encoder": None, "detector": None}, "needs a text_encoder or an image_encoder", id="nothing to embed"
        ),
    ],
)
def test_bad_descriptions(changes, reason):
    with pytest.raises(ValueError, match=reason):
        BundleSpec.model_validate(description(**changes))
