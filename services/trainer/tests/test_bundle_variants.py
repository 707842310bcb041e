"""Variants of a bundle are smaller, and say what they lose."""

import onnx
import pytest
from sightwire_trainer.export.bundles import export_bundle
from sightwire_trainer.export.half_weights import with_half_weights
from sightwire_trainer.export.variants import Variant, make_variant

from services.trainer.tests.drawn_samples import ListedSamples, drawn_samples
from services.trainer.tests.tiny_models import TEXT, tiny_configuration, tiny_model
from sightwire.bundles import load_bundle
from sightwire.bundles.bundle_encoder import BundleEncoder

#: The first export of a process imports all of torch's compiler.
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def folder(bundle_folder, tmp_path_factory):
    configuration = tiny_configuration(
        bundle_folder,
        image={"kind": "convnet", "depths": [1, 1], "widths": [32, 64]},
        text=TEXT | {"width": 32},
        head_widths=[64],
    )
    model = tiny_model(configuration.model)
    return export_bundle(
        model, configuration, tmp_path_factory.mktemp("bundles"), card=None, quality=[], provenance="none"
    )


@pytest.mark.parametrize(("variant", "share", "cosine"), [(Variant.FP16, 0.6, 0.9999), (Variant.INT8, 0.75, 0.9)])
def test_variants(folder, tmp_path, variant, share, cosine):
    samples = ListedSamples(drawn_samples(12), "drawings")
    report = make_variant(folder, tmp_path, variant, samples)
    assert report.folder == tmp_path / f"tiny-1-{variant}"
    spec = load_bundle(report.folder).spec
    assert spec.space == "tiny-1"
    assert report.graph_bytes < share * report.graph_bytes_before
    assert (report.images.inputs, report.texts.inputs) == (12, 12)
    assert cosine < report.images.least_cosine <= report.images.mean_cosine <= 1.0001
    assert cosine < report.texts.least_cosine <= report.texts.mean_cosine <= 1.0001
    assert report.measures.keys() == report.measures_before.keys() >= {"text_to_image_recall_at_1"}
    assert {entry.dataset for entry in spec.quality} == {"drawings"}
    assert (BundleEncoder.open(report.folder).encode_texts(["a cat"]) ** 2).sum() == pytest.approx(1, abs=1e-5)


def test_half_weights_are_stored_not_computed_with(folder):
    model = onnx.load(folder / "image-encoder.onnx")
    halved = with_half_weights(model)
    kinds = {tensor.data_type for tensor in halved.graph.initializer if len(tensor.raw_data) >= 2048}
    assert kinds == {onnx.TensorProto.FLOAT16}
    assert halved.graph.output == model.graph.output
    assert halved.graph.input == model.graph.input
