"""Exported bundles: whole, verified, and with the vectors of the model that they were made of."""

import io
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import yaml
from PIL import Image
from sightwire_embedder.batching import Priority
from sightwire_embedder.engine import EmbeddingEngine
from sightwire_trainer.data.card import DatasetCard, SampleCounts
from sightwire_trainer.evaluation.model_encoders import ModelEncoders
from sightwire_trainer.export.bundle_writer import BundleWriter
from sightwire_trainer.export.bundles import export_bundle, measured_quality
from sightwire_trainer.models.building import build_model

from services.trainer.tests.drawn_samples import drawing
from services.trainer.tests.tiny_models import CONVNET, TEXT, tiny_configuration, tiny_model
from sightwire.bundles import BundleError, load_bundle
from sightwire.bundles.bundle_encoder import BundleEncoder
from sightwire.errors import ConflictError

#: The first export of a process imports all of torch's compiler.
pytestmark = pytest.mark.timeout(300)
TEXTS = ["a red apple", "sheep", "a snowman without snow and with a hat and a carrot and two sticks and some coal"]
_COUNTS = SampleCounts(samples=2, concepts=2, origins={"drawn": 2}, licences={"CC0-1.0": 2})
CARD = DatasetCard(train=_COUNTS, validation=_COUNTS, sources=(), left_out=())


def pictures() -> list[np.ndarray]:
    return [np.asarray(Image.open(io.BytesIO(drawing(seed, side=40 + seed)))) for seed in range(5)]


@pytest.fixture(scope="module")
def configuration(bundle_folder):
    return tiny_configuration(bundle_folder, image=CONVNET, text=TEXT)


@pytest.fixture(scope="module")
def model(configuration):
    return tiny_model(configuration.model)


@pytest.fixture(scope="module")
def exported(model, configuration, tmp_path_factory) -> Path:
    return export_bundle(
        model,
        configuration,
        tmp_path_factory.mktemp("bundles"),
        card=CARD,
        quality=measured_quality({"text_to_image_recall_at_1": 0.51239}, dataset="validation", candidates=9),
        provenance="drawn and trained in a test",
        licence="CC0-1.0",
        torch_program=True,
    )


def test_the_folder_tells_everything(exported, bundle_folder, configuration):
    bundle = load_bundle(exported)
    spec, base = bundle.spec, load_bundle(bundle_folder, verify=False).spec
    assert exported.name == "tiny-1"
    assert (spec.space, spec.dimension, spec.metric) == ("tiny-1", 16, "cosine")
    assert [(entry.measure, entry.value, entry.candidates) for entry in spec.quality] == [
        ("text_to_image_recall_at_1", 0.5124, 9)
    ]
    assert (spec.detector, spec.classes) == (base.detector, base.classes)
    listed = {file.path: file for file in spec.files}
    assert set(listed) == {path.name for path in exported.iterdir()} - {"bundle.yaml"}
    assert listed["image-encoder.onnx"].licence == "CC0-1.0"
    assert listed["detector.onnx"].licence.startswith("Apache-2.0")
    told = yaml.safe_load((exported / "training.yaml").read_text())
    assert told | {"model": ..., "data": ...} == configuration.model_dump(mode="json") | {"model": ..., "data": ...}
    assert configuration.model.bundle is not None
    bundles = {f".models/{bundle_folder.name}", bundle_folder.name}
    assert told["model"]["bundle"] in bundles, "no folder of this machine"
    assert DatasetCard.model_validate(yaml.safe_load((exported / "dataset-card.yaml").read_text())) == CARD
    assert "NanoDet-m" in (exported / "LICENCES.md").read_text(), "what the base says of its files"
    assert [path.name for path in exported.parent.iterdir()] == ["tiny-1"], "nothing is left behind"


def test_its_vectors_are_the_models(exported, model):
    encoder, expected = BundleEncoder.open(exported), ModelEncoders(model, size=32)
    np.testing.assert_allclose(encoder.encode_images(pictures()), expected.encode_images(pictures()), atol=1e-4, rtol=0)
    np.testing.assert_allclose(encoder.encode_texts(TEXTS), expected.encode_texts(TEXTS), atol=1e-4, rtol=0)


async def test_the_embedder_serves_it(exported, model, tmp_path):
    async with EmbeddingEngine(exported, tmp_path) as engine:
        answers = await engine.embed_texts(TEXTS, Priority.QUERY)
        vectors, _ = await engine.embed_pictures([drawing(seed) for seed in range(3)], Priority.QUERY)
        analysis = await engine.analyse_picture(drawing(0, side=64), Priority.INGEST)
    expected = ModelEncoders(model, size=32)
    np.testing.assert_allclose(np.stack([answer.value for answer in answers]), expected.encode_texts(TEXTS), atol=1e-4)
    drawn = [np.asarray(Image.open(io.BytesIO(drawing(seed)))) for seed in range(3)]
    np.testing.assert_allclose(np.stack(vectors), expected.encode_images(drawn), atol=1e-4)
    assert analysis.image_vector.shape == (16,)


def test_the_torch_program_answers_for_any_batch(exported, model):
    module = torch.export.load(exported / "image-encoder.pt2").module()
    images = torch.rand(5, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(module(images), model.encode_images(images), atol=1e-4, rtol=0)


def test_of_the_detectors_trunk_training_can_go_on(bundle_folder, tmp_path):
    encoder = Path(__file__).parents[3] / "models" / "starting" / "image-encoder.onnx"
    configuration = tiny_configuration(bundle_folder, init_from=str(encoder), size=64, dimension=384, head_widths=[768])
    model = build_model(configuration.model, seed=0).eval()
    folder = export_bundle(model, configuration, tmp_path, card=None, quality=[], provenance="the encoder before")
    again = build_model(configuration.model.model_copy(update={"init_from": folder}), seed=1).eval()
    assert load_bundle(folder).spec.text_encoder == load_bundle(bundle_folder).spec.text_encoder
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(again.encode_images(images), model.encode_images(images))
    operators = [node.op_type for node in onnx.load(folder / "image-encoder.onnx").graph.node]
    assert len(operators) < 100, "a compact graph"


async def test_text_pairs_have_an_encoder_for_each_side(bundle_folder, tmp_path):
    configuration = tiny_configuration(bundle_folder, image=None, documents=TEXT, text=TEXT)
    model = tiny_model(configuration.model)
    folder = export_bundle(model, configuration, tmp_path, card=None, quality=[], provenance="none")
    assert load_bundle(folder).spec.detector is None
    encoder, model_encoders = BundleEncoder.open(folder), ModelEncoders(model, size=32)
    queries, documents = model_encoders.encode_texts(TEXTS), model_encoders.encode_documents(TEXTS)
    assert np.abs(queries - documents).max() > 0.01
    np.testing.assert_allclose(encoder.encode_texts(TEXTS), queries, atol=1e-4)
    np.testing.assert_allclose(encoder.encode_documents(TEXTS), documents, atol=1e-4)
    async with EmbeddingEngine(folder, tmp_path) as engine:
        for priority, expected in ((Priority.QUERY, queries), (Priority.INGEST, documents)):
            answers = await engine.embed_texts(TEXTS, priority)
            np.testing.assert_allclose(np.stack([answer.value for answer in answers]), expected, atol=1e-4)


def test_a_bundle_that_fails_leaves_nothing(tmp_path):
    with BundleWriter(tmp_path, "broken", "1") as writer:
        writer.add("x.onnx", b"x", licence="none", origin="nowhere")
        with pytest.raises(BundleError, match="space: Field required"):
            writer.publish(dimension=3)
    assert list(tmp_path.iterdir()) == []


def test_other_folders_are_not_replaced(tmp_path):
    (tmp_path / "photos-1").mkdir()
    with pytest.raises(ConflictError, match="is no bundle"), BundleWriter(tmp_path, "photos", "1"):
        pytest.fail("took the place of a folder")
