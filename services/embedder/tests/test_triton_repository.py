"""What `sightwire models triton` writes, without a server."""

import dataclasses
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from sightwire_embedder.triton import naming
from sightwire_embedder.triton.configurations import SHA256_PARAMETER, graphs_of, read_text
from sightwire_embedder.triton.ensemble import why_no_ensemble
from sightwire_embedder.triton.errors import ModelRepositoryError
from sightwire_embedder.triton.options import ServingOptions, TritonBackend
from sightwire_embedder.triton.repository import write_repository

from services.embedder.tests.small_bundles import make_small_bundle
from sightwire.bundles import load_bundle
from sightwire.bundles.spec import TritonModelNames
from sightwire.v1 import triton_pb2

TENSORS = {
    "sightwire_default_2_text_encoder": (
        {"input_ids": ("TYPE_INT64", [-1]), "attention_mask": ("TYPE_INT64", [-1])},
        {"text_embeddings": ("TYPE_FP32", [384])},
        64,
    ),
    "sightwire_default_2_image_encoder": (
        {"images": ("TYPE_FP32", [3, 112, 112])},
        {"image_embeddings": ("TYPE_FP32", [384])},
        128,
    ),
    "sightwire_default_2_detector": (
        {"images": ("TYPE_UINT8", [-1, -1, 3])},
        {"boxes": ("TYPE_FP32", [-1, 4]), "scores": ("TYPE_FP32", [-1, 80])},
        128,
    ),
}


@pytest.fixture(scope="session")
def default_bundle(bundle_folder):
    return load_bundle(bundle_folder, verify=False)


def configuration(repository: Path, model: str) -> triton_pb2.ModelConfig:
    return read_text((repository / model / "config.pbtxt").read_text())


def tensors(messages):
    return {one.name: (triton_pb2.DataType.Name(one.data_type), list(one.dims)) for one in messages}


@pytest.mark.parametrize(
    ("backend", "engine", "kind"),
    [
        pytest.param(TritonBackend.ONNXRUNTIME, ("onnxruntime", ""), "KIND_AUTO", id="onnxruntime"),
        pytest.param(TritonBackend.TENSORRT, ("", "tensorrt_plan"), "KIND_GPU", id="tensorrt"),
        pytest.param(TritonBackend.PYTHON, ("python", ""), "KIND_CPU", id="python"),
    ],
)
def test_each_graph_is_a_model(default_bundle, tmp_path, backend, engine, kind):
    options = ServingOptions(backend, 2, max_queue_delay_microseconds=300, preferred_batch_sizes=(8, 100))
    written = write_repository(default_bundle, tmp_path / "models", options)
    assert set(TENSORS) < set(written.models)
    assert {path.name for path in (tmp_path / "models").iterdir() if path.is_dir()} == set(written.models)
    for model, (inputs, outputs, max_batch) in TENSORS.items():
        config = configuration(tmp_path / "models", model)
        assert (config.name, config.max_batch_size) == (model, max_batch)
        assert (config.backend, config.platform) == engine
        assert tensors(config.input) == inputs
        assert tensors(config.output) == outputs
        (group,) = config.instance_group
        assert (group.count, triton_pb2.ModelInstanceGroup.Kind.Name(group.kind)) == (2, kind)
        assert config.dynamic_batching.max_queue_delay_microseconds == 300
        assert list(config.dynamic_batching.preferred_batch_size) == [size for size in (8, 100) if size <= max_batch]
        assert (tmp_path / "models" / model / "1" / "model.onnx").is_file()
        assert (tmp_path / "models" / model / "1" / "model.py").is_file() == (backend is TritonBackend.PYTHON)


def test_engines_are_built_for_one_input_and_for_the_largest_batch(default_bundle, tmp_path):
    write_repository(default_bundle, tmp_path, ServingOptions(TritonBackend.TENSORRT))
    script = (tmp_path / "build-engines.sh").read_text()
    assert "--minShapes=images:1x3x112x112 --optShapes=images:32x3x112x112 --maxShapes=images:128x3x112x112" in script
    assert "--maxShapes=input_ids:64x256,attention_mask:64x256" in script
    assert "--minShapes=images:1x32x32x3 --optShapes=images:32x416x416x3 --maxShapes=images:128x416x416x3" in script
    subprocess.run(["sh", "-n", str(tmp_path / "build-engines.sh")], check=True)


def test_models_of_the_same_bundle_are_replaced_and_others_stay(default_bundle, tmp_path):
    small = load_bundle(make_small_bundle(tmp_path, "7", dimension=5))
    repository = tmp_path / "models"
    write_repository(default_bundle, repository, ServingOptions())
    written = write_repository(small, repository, ServingOptions())
    assert written.models == ("small_7_text_encoder", "small_7_image_encoder")
    assert written.no_ensemble == "the bundle has no detector"
    write_repository(default_bundle, repository, ServingOptions(TritonBackend.PYTHON))
    assert configuration(repository, "sightwire_default_2_detector").backend == "python"
    assert configuration(repository, "small_7_text_encoder").backend == "onnxruntime"
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_models_of_another_bundle_are_not_overwritten(default_bundle, tmp_path):
    write_repository(default_bundle, tmp_path, ServingOptions())
    other = dataclasses.replace(
        default_bundle,
        spec=default_bundle.spec.model_copy(
            update={"version": "3", "triton": TritonModelNames(detector="sightwire_default_2_detector")}
        ),
    )
    with pytest.raises(ModelRepositoryError, match=r"a model of sightwire-default:2, not of sightwire-default:3"):
        write_repository(other, tmp_path, ServingOptions())


@pytest.mark.parametrize(
    ("name", "version", "role", "expected"),
    [
        ("mobileclip2-s2", "1", naming.IMAGE_ENCODER, "mobileclip2_s2_image_encoder"),
        ("mobileclip2-s2", "1", naming.TEXT_ENCODER, "mobileclip2_s2_text_encoder"),
        ("mobileclip2-s2", "1", naming.ENSEMBLE, "yolo_mobileclip_ensemble"),
        ("clip", "2026.05-b", naming.DETECTOR, "clip_2026_05_b_detector"),
    ],
)
def test_names(default_bundle, name, version, role, expected):
    spec = default_bundle.spec.model_copy(update={"name": name, "version": version})
    assert naming.model_name(spec, role) == expected


def test_a_name_that_the_bundle_chooses(default_bundle):
    spec = default_bundle.spec.model_copy(update={"triton": TritonModelNames(detector="yolo")})
    assert "yolo" in [graph.model for graph in graphs_of(spec)]


def test_an_encoder_of_small_fixed_batches_has_no_ensemble(default_bundle):
    encoder = default_bundle.spec.image_encoder.model_copy(update={"max_batch": 8})
    spec = default_bundle.spec.model_copy(update={"image_encoder": encoder})
    assert (
        why_no_ensemble(spec) == "its image encoder takes 8 pictures at once, and one with all its objects may be 101"
    )


def test_what_the_servers_models_import_is_whole(default_bundle, tmp_path):
    write_repository(default_bundle, tmp_path, ServingOptions(TritonBackend.PYTHON))
    folder = tmp_path / "sightwire_default_2_ensemble_objects" / "1"
    with zipfile.ZipFile(folder / "sightwire.zip") as archive:
        modules = [name.removesuffix(".py").replace("/", ".") for name in archive.namelist() if "__init__" not in name]
    # No folder of this project is on the path of that interpreter.
    program = f"""
import importlib, sys
sys.meta_path = [finder for finder in sys.meta_path if "editable" not in repr(finder)]
sys.path = [{str(folder / "sightwire.zip")!r}, *(path for path in sys.path if "python3" in path)]
for name in {modules!r}:
    assert "sightwire.zip" in importlib.import_module(name).__file__
from pathlib import Path
from sightwire.bundles.loading import read_spec
read_spec(Path({str(folder / "bundle.yaml")!r}))
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path)


def test_the_command(bundle_folder, tmp_path):
    command = [sys.executable, "-m", "sightwire.cli", "models", "triton", str(bundle_folder), "--out", str(tmp_path)]
    done = subprocess.run([*command, "--backend", "python", "--json"], check=True, capture_output=True, text=True)
    answer = json.loads(done.stdout)
    assert "sightwire_default_2_ensemble" in answer["models"]
    assert answer["no_ensemble"] is None
    parameters = configuration(tmp_path, "sightwire_default_2_detector").parameters
    assert parameters[SHA256_PARAMETER].string_value.startswith("0f59c5607641")
