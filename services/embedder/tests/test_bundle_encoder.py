"""A bundle's encoders outside the embedder answer what the embedder answers."""

import numpy as np
import pytest
from PIL import Image
from sightwire_embedder.batching import Priority

from sightwire.bundles import Bundle, BundleError, load_bundle
from sightwire.bundles.bundle_encoder import BundleEncoder
from sightwire.errors import InvalidPictureError

TEXTS = ["snow " * 200, "a cat", "a red apple on a table", "x"]


@pytest.fixture(scope="module")
def encoder(bundle_folder) -> BundleEncoder:
    return BundleEncoder.open(bundle_folder, batch_size=3)


async def test_texts_are_encoded_as_the_embedder_does(encoder, engine):
    vectors = encoder.encode_texts(TEXTS)
    assert (vectors.shape, vectors.dtype) == ((4, 384), np.float32)
    answers = await engine.embed_texts(TEXTS, Priority.QUERY)
    np.testing.assert_allclose(vectors, np.stack([answer.value for answer in answers]), atol=1e-5)


async def test_pictures_are_encoded_as_the_embedder_does(encoder, engine, photos):
    files = [path.read_bytes() for path in sorted(photos.glob("*.jpg"))]
    expected, _ = await engine.embed_pictures(files, Priority.QUERY)
    np.testing.assert_allclose(encoder.encode_files(files), np.stack(expected), atol=1e-5)


def test_pixels_are_encoded_like_the_files_that_hold_them(encoder, photos):
    path = photos / "chelsea.jpg"
    pixels = np.asarray(Image.open(path).convert("RGB"))
    np.testing.assert_allclose(encoder.encode_images([pixels]), encoder.encode_files([path.read_bytes()]), atol=1e-6)


def test_nothing_gives_no_rows(encoder):
    assert encoder.encode_texts([]).shape == encoder.encode_images([]).shape == (0, 384)


def test_bytes_that_are_no_picture(encoder):
    with pytest.raises(InvalidPictureError):
        encoder.encode_files([b"nothing"])


def test_an_encoder_that_the_bundle_lacks(bundle_folder):
    bundle = load_bundle(bundle_folder, verify=False)
    without_pictures = bundle.spec.model_copy(update={"image_encoder": None})
    with pytest.raises(BundleError, match="has no image encoder"):
        BundleEncoder(Bundle(bundle.folder, without_pictures)).encode_images([np.zeros((4, 4, 3), np.uint8)])
