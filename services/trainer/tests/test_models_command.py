"""`sightwire models`: bundles of other people's models, verified; runs made into bundles."""

import json

import numpy as np
import onnxruntime
import open_clip
import pytest
import torch
from PIL import Image
from sightwire_trainer.commands.models import app
from sightwire_trainer.importing.errors import ImportRefusedError
from sightwire_trainer.training.run import train
from typer.testing import CliRunner

from services.trainer.tests import small_graphs
from services.trainer.tests.tiny_runs import parsed, picture_content
from sightwire.bundles import BundleError, load_bundle
from sightwire.bundles.bundle_encoder import BundleEncoder
from sightwire.errors import InvalidInputError

TINY_CLIP = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}
TEXTS = ["a photo of a cat", "It's a dog's life", "snow " * 100]


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.mark.timeout(300)
def test_an_open_clip_model(tmp_path):
    (tmp_path / "tiny-test-clip.json").write_text(json.dumps(TINY_CLIP))
    open_clip.add_model_config(tmp_path)
    torch.manual_seed(0)
    model = open_clip.create_model("tiny-test-clip").eval()
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    result = run("import", f"open_clip:tiny-test-clip@{tmp_path / 'weights.pt'}", "--out", tmp_path / "bundles")
    assert result.exit_code == 0, result.output
    folder = tmp_path / "bundles" / "tiny-test-clip-1"
    spec = load_bundle(folder).spec
    assert (spec.image_encoder.resize, spec.image_encoder.interpolation) == ("crop", "bicubic")
    assert (spec.text_encoder.max_tokens, spec.text_encoder.padded_length) == (77, 77)

    encoder = BundleEncoder.open(folder)
    preprocessing = open_clip.transform.PreprocessCfg(**model.visual.preprocess_cfg)
    prepare = open_clip.transform.image_transform_v2(preprocessing, is_train=False)
    gradient = np.linspace(0, 255, 96 * 64 * 3).reshape(96, 64, 3).astype(np.uint8)
    with torch.no_grad():
        texts = model.encode_text(open_clip.get_tokenizer("tiny-test-clip")(TEXTS), normalize=True).numpy()
        image = model.encode_image(prepare(Image.fromarray(gradient))[None], normalize=True).numpy()
    np.testing.assert_allclose(encoder.encode_texts(TEXTS), texts, atol=1e-4)
    assert (encoder.encode_images([gradient]) @ image.T).item() > 0.9999
    assert run("verify", folder).output.startswith("tiny-test-clip 1 is whole: 4 files")


def test_onnx_files(tmp_path):
    image = small_graphs.image_encoder(tmp_path / "image.onnx")
    text = small_graphs.text_encoder(tmp_path / "text.onnx", shape=(1, 6), mask=False)
    tokenizer = small_graphs.tokenizer(tmp_path / "words.json")
    yolo = small_graphs.detector(tmp_path / "yolo.onnx", np.ones((1, 6, 84), np.float32))
    model = f"onnx:image={image},text={text},tokenizer={tokenizer},detector={yolo}"
    options = ["--name", "small", "--licence", "MIT", "--mean", "0.5,0.5,0.5", "--resize", "pad"]
    result = run("import", model, "--out", tmp_path, *options)
    assert result.exit_code == 0, result.output
    spec = load_bundle(tmp_path / "small-1").spec
    assert (spec.space, spec.dimension, spec.classes) == ("small-1", 5, ["person", "bicycle"])
    assert {file.licence for file in spec.files} == {"MIT", "of the files"}
    encoder = BundleEncoder.open(tmp_path / "small-1")
    vectors = encoder.encode_texts(["a red apple", "a cat of a cat of a cat of a cat"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_another_detector_for_a_bundle(tmp_path, bundle_folder):
    classes = tmp_path / "classes.txt"
    classes.write_text("thing\nother thing\n")
    yolo = small_graphs.detector(tmp_path / "yolo.onnx", np.ones((1, 6, 84), np.float32), names=None)
    result = run(
        *("import", f"onnx:detector={yolo}", "--out", tmp_path, "--base", bundle_folder, "--classes", classes),
        *("--name", "with-yolo"),
    )
    assert result.exit_code == 0, result.output
    spec, base = load_bundle(tmp_path / "with-yolo-1").spec, load_bundle(bundle_folder, verify=False).spec
    assert (spec.space, spec.text_encoder, spec.image_encoder) == (base.space, base.text_encoder, base.image_encoder)
    assert (spec.classes, spec.detector.size) == (["thing", "other thing"], 64)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("MobileCLIP2-S2", "expected open_clip:NAME"),
        ("onnx:", "expected open_clip:NAME"),
        ("onnx:picture=x.onnx", "expected each of image, text, tokenizer, detector"),
        ("onnx:image=a,image=b", "at most once"),
        ("onnx:text=x.onnx", "belong together"),
        ("onnx:detector=missing.onnx", "cannot read missing.onnx"),
        ("open_clip:no-such-model", "open_clip has no model 'no-such-model'"),
    ],
)
def test_models_that_cannot_be_imported(tmp_path, model, said):
    with pytest.raises(InvalidInputError, match=said):
        run("import", model, "--out", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_encoders_must_share_a_dimension(tmp_path):
    image = small_graphs.image_encoder(tmp_path / "image.onnx", dimension=4)
    text = small_graphs.text_encoder(tmp_path / "text.onnx")
    tokenizer = small_graphs.tokenizer(tmp_path / "words.json", max_tokens=8)
    with pytest.raises(ImportRefusedError, match=r"image\.onnx: 4, text\.onnx: 5"):
        run("import", f"onnx:image={image},text={text},tokenizer={tokenizer}", "--out", tmp_path / "bundles")


def test_verify_finds_altered_files(tmp_path, bundle_folder):
    for path in bundle_folder.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "detector.onnx").unlink()
    (tmp_path / "detector.onnx").write_bytes(b"another")
    with pytest.raises(BundleError, match=r"detector\.onnx: expected sha256 .*, found"):
        run("verify", tmp_path)


@pytest.mark.timeout(400)
def test_a_run_is_exported_with_a_variant(tmp_path, bundle_folder):
    content = picture_content(tmp_path)
    content["model"]["bundle"] = str(bundle_folder)
    outcome = train(parsed(content, tmp_path, epochs=1), tmp_path / "run")
    with pytest.raises(InvalidInputError, match="--fp16 needs --samples"):
        run("export", tmp_path / "run", "--out", tmp_path / "out", "--fp16")
    result = run(
        *("export", tmp_path / "run", "--out", tmp_path / "out", "--fp16", "--torch-program", "--json"),
        *("--samples", tmp_path / "validation.tar", "--licence", "CC0-1.0"),
    )
    assert result.exit_code == 0, result.output
    exported = json.loads(result.stdout)
    assert exported["bundle"].endswith("tiny-1")
    (variant,) = exported["variants"]
    assert variant["images"]["least_cosine"] > 0.999
    spec = load_bundle(tmp_path / "out" / "tiny-1").spec
    measured = {entry.measure: entry.value for entry in spec.quality}
    assert measured == pytest.approx(outcome.measures)
    assert (tmp_path / "out" / "tiny-1" / "image-encoder.pt2").is_file()
    session = onnxruntime.InferenceSession(tmp_path / "out" / "tiny-1-fp16" / "image-encoder.onnx")
    assert session.get_inputs()[0].type == "tensor(float)"
