"""Trunks and heads: the pretrained ones answer what their ONNX files answer, the others what they promise."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from sightwire_trainer.configuration import (
    ConvNetTrunk,
    DetectorTrunk,
    EfficientNetLiteTrunk,
    FrozenMiniLm,
    ModelConfiguration,
    VitTrunk,
)
from sightwire_trainer.models.building import build_model
from sightwire_trainer.models.convnext_trunk import ConvNextTrunk
from sightwire_trainer.models.csp_trunk import CspTrunk
from sightwire_trainer.models.onnx_weights import read_onnx_graph, trunk_convolutions
from sightwire_trainer.models.vit_trunk import VitTrunk as VisionTransformer

from models.recipes.default_bundle import build_default_bundle
from sightwire.errors import InvalidInputError

REPOSITORY = Path(__file__).parents[3]
NANODET = REPOSITORY / "models" / "default" / "source" / "nanodet-m-416.onnx"
START_ENCODER = REPOSITORY / "models" / "starting" / "image-encoder.onnx"
#: The source graph's maps of strides 8, 16 and 32.
NANODET_STAGES = [f"PartitionedCall/onnx_tf_prefix_Concat_{number}:0" for number in (27, 42, 62)]


def answers(path_or_model, inputs):
    session = onnxruntime.InferenceSession(path_or_model, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: inputs})


def pretrained_trunk(path: Path) -> CspTrunk:
    trunk = CspTrunk().eval()
    trunk.load_convolutions(trunk_convolutions(read_onnx_graph(path), len(trunk.convolutions())))
    return trunk


def test_trunk_answers_what_the_detector_does_up_to_rounding():
    graph = onnx.load(NANODET)
    del graph.graph.output[:]
    graph.graph.output.extend(onnx.helper.make_tensor_value_info(name, 1, None) for name in NANODET_STAGES)
    rgb = torch.randn(1, 3, 416, 416, generator=torch.Generator().manual_seed(0))
    bgr = rgb.flip(1).numpy()

    expected = answers(graph.SerializeToString(), bgr)
    with torch.no_grad():
        found = pretrained_trunk(NANODET).stage_maps(rgb)

    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine.numpy(), theirs, atol=1e-5)


def test_published_and_serving_detector_hold_the_same_trunk(bundle_folder):
    published = pretrained_trunk(NANODET).state_dict()
    serving = pretrained_trunk(bundle_folder / "detector.onnx").state_dict()

    assert published.keys() == serving.keys()
    assert all(torch.equal(published[name], serving[name]) for name in published)


def test_model_goes_on_from_the_starting_image_encoder(bundle_folder):
    pictures = torch.rand(6, 3, 128, 128, generator=torch.Generator().manual_seed(1))
    configuration = ModelConfiguration(bundle=bundle_folder, init_from=START_ENCODER)

    model = build_model(configuration, seed=0).eval()
    with torch.no_grad():
        vectors = model.encode_images(pictures)

    (expected,) = answers(str(START_ENCODER), pictures.numpy())
    np.testing.assert_allclose(vectors.numpy(), expected, atol=1e-5)
    assert model.parameter_counts() == {"trunk": 3_180_256, "head": 1_477_248, "text": 0}


def test_a_bundle_can_be_started_from_by_its_folder(bundle_folder, tmp_path):
    starting = build_default_bundle(tmp_path, START_ENCODER.parent)
    from_folder = build_model(ModelConfiguration(bundle=bundle_folder, init_from=starting), seed=0)
    from_file = build_model(ModelConfiguration(bundle=bundle_folder, init_from=START_ENCODER), seed=1)

    assert all(
        torch.equal(mine, theirs)
        for mine, theirs in zip(from_folder.image.parameters(), from_file.image.parameters(), strict=True)
    )


def test_a_large_batch_gives_what_its_pictures_give_alone():
    trunk = CspTrunk().train()
    pictures = torch.rand(130, 3, 32, 32)

    in_training = trunk(pictures)
    trunk.eval()

    torch.testing.assert_close(in_training, trunk(pictures), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(in_training[100:101], trunk(pictures[100:101]), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"init_from": NANODET}, "expected one BatchNormalization"),
        ({"init_from": START_ENCODER, "head_widths": (64,)}, "set `dimension` and `head_widths`"),
        ({"init_from": START_ENCODER, "image": VitTrunk()}, "kind: detector"),
        ({"init_from": REPOSITORY / "missing.onnx"}, "cannot read"),
        ({"init_from": REPOSITORY / "pyproject.toml"}, "cannot read"),
        ({"size": 100}, "multiples of 32; got 100"),
        ({"image": EfficientNetLiteTrunk(pretrained=False, frozen_blocks=17)}, "has 16 blocks"),
        ({"image": VitTrunk(patch=24)}, "multiple of the patch"),
        ({"image": VitTrunk(width=100)}, "multiple of its heads"),
        ({"image": ConvNetTrunk(depths=(1, 1), widths=(8,))}, "a width for each depth"),
        ({"dimension": 256, "text": FrozenMiniLm()}, "set `dimension` to that"),
    ],
)
def test_parts_that_do_not_fit_are_refused(bundle_folder, options, message):
    with pytest.raises(InvalidInputError, match=message):
        build_model(ModelConfiguration(bundle=bundle_folder, **options), seed=0)


SMALL_CONVNET = ConvNetTrunk(depths=(1, 1, 1), widths=(8, 16, 32))
SMALL_TRUNKS = [
    DetectorTrunk(pretrained=False),
    EfficientNetLiteTrunk(pretrained=False),
    SMALL_CONVNET,
    VitTrunk(patch=16, width=24, depth=2, heads=3),
]


@pytest.mark.parametrize("trunk", SMALL_TRUNKS, ids=lambda trunk: trunk.kind)
def test_every_trunk_gives_unit_vectors_and_gradients_everywhere(bundle_folder, trunk):
    model = small_model(bundle_folder, trunk)
    vectors = model.encode_images(torch.rand(4, 3, 64, 64))

    (vectors * torch.randn_like(vectors)).sum().backward()

    assert vectors.dtype == torch.float32
    assert vectors.shape == (4, 384)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(4))
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize("trunk", SMALL_TRUNKS, ids=lambda trunk: trunk.kind)
def test_recomputed_activations_give_the_same_gradients(bundle_folder, trunk):
    pictures = torch.rand(4, 3, 64, 64)
    gradients = []
    for recompute in (False, True):
        model = small_model(bundle_folder, trunk, gradient_checkpointing=recompute)
        model.encode_images(pictures)[:, 0].sum().backward()
        gradients.append([parameter.grad for parameter in model.parameters()])

    for kept, recomputed in zip(*gradients, strict=True):
        torch.testing.assert_close(recomputed, kept)


# Not EfficientNet-Lite: CPUs without bfloat16 take minutes for its grouped convolutions.
@pytest.mark.parametrize(
    "trunk",
    [trunk for trunk in SMALL_TRUNKS if not isinstance(trunk, EfficientNetLiteTrunk)],
    ids=lambda trunk: trunk.kind,
)
def test_bfloat16_on_the_cpu_changes_little_and_keeps_the_statistics_in_float32(bundle_folder, trunk):
    pictures = torch.rand(8, 3, 64, 64)
    exact, rounded = (small_model(bundle_folder, trunk) for _ in range(2))
    vectors = exact.encode_images(pictures)
    with torch.autocast("cpu", torch.bfloat16):
        rounded_vectors = rounded.encode_images(pictures)
    rounded_vectors[:, 0].sum().backward()

    assert rounded_vectors.dtype == torch.float32
    assert (vectors * rounded_vectors).sum(dim=1).min() > 0.98
    assert rounded.image.head.norm.running_mean.dtype == torch.float32
    assert all(torch.isfinite(parameter.grad).all() for parameter in rounded.parameters())


def test_weights_follow_from_the_seed_alone(bundle_folder):
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first = small_model(bundle_folder, SMALL_CONVNET, seed=3).state_dict()
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(6)
    second = small_model(bundle_folder, SMALL_CONVNET, seed=3).state_dict()
    third = small_model(bundle_folder, SMALL_CONVNET, seed=4).state_dict()

    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["image.trunk.stem.0.weight"], third["image.trunk.stem.0.weight"])


def test_documented_sizes_are_the_sizes():
    def millions(module):
        return round(sum(parameter.numel() for parameter in module.parameters()) / 1e6, 1)

    assert millions(CspTrunk()) == 3.2
    assert millions(ConvNextTrunk(ConvNetTrunk())) == 4.8
    assert millions(VisionTransformer(VitTrunk(), size=128, dropout=0.0)) == 3.7


def small_model(bundle, trunk, *, seed=0, **options):
    return build_model(ModelConfiguration(bundle=bundle, image=trunk, size=64, **options), seed=seed)
