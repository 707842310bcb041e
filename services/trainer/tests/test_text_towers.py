"""Text towers: the frozen one is the bundle's encoder, the others learn."""

import copy
import json

import numpy as np
import onnxruntime
import pytest
import torch
from sightwire_trainer.configuration import (
    ConvNetTrunk,
    FrozenMiniLm,
    ModelConfiguration,
    OpenClipTower,
    OptimiserConfiguration,
    TextTransformer,
)
from sightwire_trainer.models.building import build_model
from sightwire_trainer.models.cached_text_encoder import CachedTextEncoder

from sightwire.bundles import BundleError, load_bundle
from sightwire.bundles.tokenization import TextTokenizer, pad_batch
from sightwire.errors import InvalidInputError

TEXTS = ["a red apple", "sheep", "a snowman without snow", "sheep"]
SMALL_TRUNK = ConvNetTrunk(depths=(1, 1), widths=(8, 16))
SMALL_TEXT = TextTransformer(width=32, depth=2, heads=2, max_tokens=12)


def bundle_vectors(folder, texts):
    bundle = load_bundle(folder, verify=False)
    spec = bundle.spec.text_encoder
    ids, mask = pad_batch(TextTokenizer(bundle.path(spec.tokenizer), spec.max_tokens).tokenize(texts))
    session = onnxruntime.InferenceSession(bundle.path(spec.file), providers=["CPUExecutionProvider"])
    return session.run([spec.output], {spec.ids_input: ids, spec.mask_input: mask})[0]


def image_model(bundle_folder, text, **options):
    configuration = ModelConfiguration(bundle=bundle_folder, image=SMALL_TRUNK, text=text, size=64, **options)
    return build_model(configuration, seed=0)


def test_frozen_tower_answers_the_bundles_vectors_and_has_no_weights(bundle_folder):
    model = image_model(bundle_folder, FrozenMiniLm())

    vectors = model.encode_texts(TEXTS)

    np.testing.assert_allclose(vectors.numpy(), bundle_vectors(bundle_folder, TEXTS), atol=1e-5)
    assert model.text.is_frozen
    assert not vectors.requires_grad
    assert not [name for name in model.state_dict() if name.startswith("text")]
    assert model.encode_texts([]).shape == (0, 384)


def test_frozen_tower_is_shared_by_copies_and_by_models_of_one_bundle(bundle_folder):
    model, other = (image_model(bundle_folder, FrozenMiniLm()) for _ in range(2))

    assert copy.deepcopy(model).text._encoder is model.text._encoder is other.text._encoder


def test_vectors_are_computed_once_and_the_oldest_make_room(bundle_folder, monkeypatch):
    encoder = CachedTextEncoder(load_bundle(bundle_folder, verify=False), vectors_at_most=2)
    computed = []
    original = encoder._encoder.embed
    monkeypatch.setattr(encoder._encoder, "embed", lambda ids: computed.extend(ids) or original(ids))

    first = encoder.vectors_of(["one", "two", "one"])
    assert len(computed) == 2
    again = encoder.vectors_of(["two", "three"])
    assert len(computed) == 3
    encoder.vectors_of(["one"])
    assert len(computed) == 4
    np.testing.assert_array_equal(first["two"], again["two"])


def test_vectors_do_not_depend_on_what_else_is_encoded(bundle_folder):
    texts = ["red apple", "apple, red, fruit, round", "cat", "a green tree in the wind", "dog", "house, building"]
    together = CachedTextEncoder(load_bundle(bundle_folder)).vectors_of(texts)
    apart = CachedTextEncoder(load_bundle(bundle_folder))

    for text in texts:
        assert np.array_equal(together[text], apart.vectors_of([text])[text])


def test_text_transformer_ignores_padding_and_cuts_long_texts(bundle_folder):
    model = image_model(bundle_folder, SMALL_TEXT, dimension=16).eval()

    together = model.encode_texts(TEXTS)
    alone = torch.cat([model.encode_texts([text]) for text in TEXTS])
    long = model.encode_texts(["word " * 500])

    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(together.norm(dim=1), torch.ones(4))
    assert torch.isfinite(long).all()


@pytest.mark.parametrize("recompute", [False, True])
def test_text_text_model_learns_in_both_towers(bundle_folder, recompute):
    configuration = ModelConfiguration(
        bundle=bundle_folder,
        image=None,
        documents=SMALL_TEXT,
        text=SMALL_TEXT,
        dimension=16,
        gradient_checkpointing=recompute,
    )
    model = build_model(configuration, seed=0)
    documents, captions = model(["a long story of a sheep"] * 2, ["sheep", "story"])

    (documents * captions).sum().backward()

    assert all(parameter.grad is not None for parameter in model.parameters())
    with pytest.raises(InvalidInputError, match="no image tower"):
        model.encode_images(torch.rand(1, 3, 64, 64))


def test_image_model_has_no_documents_of_text(bundle_folder):
    with pytest.raises(InvalidInputError, match="no tower of documents"):
        image_model(bundle_folder, FrozenMiniLm()).encode_documents(["text"])


def test_missing_bundle_says_so(tmp_path):
    with pytest.raises(BundleError, match="make setup"):
        image_model(tmp_path, FrozenMiniLm())


def test_groups_have_the_rates_of_their_parts_and_only_matrices_decay(bundle_folder):
    model = image_model(bundle_folder, SMALL_TEXT, dimension=16)
    rates = OptimiserConfiguration(trunk_rate=1e-4, head_rate=2e-4, text_rate=3e-4, weight_decay=0.1)

    groups = model.parameter_groups(rates)

    by_name = {group["name"]: group for group in groups}
    assert {name: (group["lr"], group["weight_decay"]) for name, group in by_name.items()} == {
        "trunk": (1e-4, 0.1),
        "trunk without decay": (1e-4, 0.0),
        "head": (2e-4, 0.1),
        "head without decay": (2e-4, 0.0),
        "text": (3e-4, 0.1),
        "text without decay": (3e-4, 0.0),
    }
    grouped = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(grouped) == sorted(map(id, model.parameters()))
    vectors = {id(parameter) for parameter in model.parameters() if parameter.ndim <= 1}
    undecayed = {id(parameter) for group in groups if not group["weight_decay"] for parameter in group["params"]}
    assert undecayed == vectors
    torch.optim.AdamW(groups)


TINY_CLIP = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}


@pytest.fixture
def tiny_clip(tmp_path):
    open_clip = pytest.importorskip("open_clip")
    path = tmp_path / "tiny-for-tests.json"
    path.write_text(json.dumps(TINY_CLIP))
    open_clip.add_model_config(path)
    return OpenClipTower(name="tiny-for-tests")


def test_open_clip_towers_of_one_dimension_have_nothing_added(tiny_clip):
    model = build_model(ModelConfiguration(image=tiny_clip, text=tiny_clip, size=64, dimension=24), seed=0)
    images, texts = model(torch.rand(3, 3, 64, 64), TEXTS[:3])
    (images * texts).sum().backward()

    assert model.image.head is None
    assert images.shape == texts.shape == (3, 24)
    torch.testing.assert_close(images.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(texts.norm(dim=1), torch.ones(3))
    assert not any("visual" in name for name in model.text.state_dict())


def test_open_clip_towers_get_a_head_or_a_projection_into_another_dimension(tiny_clip):
    configuration = ModelConfiguration(
        image=tiny_clip, text=tiny_clip, size=32, dimension=16, head_widths=(20,), gradient_checkpointing=True
    )
    model = build_model(configuration, seed=0)
    images, texts = model(torch.rand(3, 3, 32, 32), TEXTS[:3])
    (images * texts).sum().backward()

    assert images.shape == texts.shape == (3, 16)
    assert model.parameter_counts()["head"] == 24 * 20 + 20 + 2 * 20 + 20 * 16 + 16


def test_an_unknown_open_clip_model_is_named(bundle_folder):
    pytest.importorskip("open_clip")
    with pytest.raises(InvalidInputError, match="no model 'ViT-none'"):
        build_model(ModelConfiguration(bundle=bundle_folder, image=OpenClipTower(name="ViT-none")), seed=0)
