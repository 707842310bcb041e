"""A served bundle: real photographs and texts in one space."""

import asyncio
import io
import json

import numpy as np
import pytest
from PIL import Image
from sightwire_embedder.batching import Priority
from sightwire_embedder.engine import EmbeddingEngine

from sightwire.bundles import BundleError
from sightwire.errors import InvalidPictureError

QUERY, INGEST = Priority.QUERY, Priority.INGEST


@pytest.mark.parametrize(
    ("photo", "expected", "box"),
    [
        pytest.param("astronaut.jpg", "person", (15, 14, 364, 508), id="a person"),
        pytest.param("chelsea.jpg", "cat", (1, 0, 438, 297), id="a cat"),
        pytest.param("coffee.jpg", "dining table", (11, 8, 581, 398), id="a table"),
    ],
)
async def test_photographs(engine, photos, photo, expected, box):
    analysis = await engine.analyse_picture((photos / photo).read_bytes(), QUERY)
    best = analysis.objects[0]
    assert engine.spec.classes[best.class_id] == expected
    assert (best.x1, best.y1, best.x2, best.y2) == pytest.approx(box, abs=8)
    assert 0.35 < best.confidence <= 1
    assert analysis.media_type == "image/jpeg"
    assert analysis.object_vectors.shape == (len(analysis.objects), 384)
    assert analysis.object_vectors.dtype == analysis.image_vector.dtype == np.float32
    vectors = np.vstack([analysis.image_vector, analysis.object_vectors])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert analysis.model_seconds > 0


async def test_boxes_are_in_pixels_of_the_original_however_large(engine, photos):
    small = Image.open(photos / "astronaut.jpg")
    stream = io.BytesIO()
    small.resize((4096, 4096)).save(stream, "JPEG", quality=90)
    analysis = await engine.analyse_picture(stream.getvalue(), INGEST)
    best = analysis.objects[0]
    assert (analysis.width, analysis.height) == (4096, 4096)
    assert (best.x1, best.y1, best.x2, best.y2) == pytest.approx((120, 115, 2911, 4063), abs=60)


async def test_pictures_in_company_get_what_they_get_alone(engine, photos):
    files = [path.read_bytes() for path in sorted(photos.glob("*.jpg"))]
    alone = [await engine.analyse_picture(data, INGEST) for data in files]
    together = await asyncio.gather(*(engine.analyse_picture(data, INGEST) for data in files * 4))
    for index, analysis in enumerate(together):
        expected = alone[index % len(files)]
        assert [found.class_id for found in analysis.objects] == [found.class_id for found in expected.objects]
        np.testing.assert_allclose(analysis.image_vector, expected.image_vector, atol=1e-5)


async def test_a_bad_picture_fails_alone(engine, photos):
    good = (photos / "chelsea.jpg").read_bytes()
    results = await asyncio.gather(
        *(engine.analyse_picture(data, INGEST) for data in (good, good[:3000], good)), return_exceptions=True
    )
    assert isinstance(results[1], InvalidPictureError)
    assert results[0].objects == results[2].objects


async def test_only_what_is_asked_for_is_computed(engine, photos):
    data = (photos / "chelsea.jpg").read_bytes()
    analysis = await engine.analyse_picture(data, QUERY, image_vector=False, detect=False, object_vectors=False)
    assert analysis.image_vector is None
    assert analysis.objects == []
    assert analysis.object_vectors.shape == (0, 384)
    assert analysis.model_seconds == 0
    assert (analysis.width, analysis.height) == (451, 300)


async def test_texts(engine):
    answers = await engine.embed_texts(["a cat", "a kitten", "tax returns " * 200], INGEST)
    vectors = np.stack([answer.value for answer in answers])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]


async def test_an_altered_bundle_is_not_served(bundle_folder, tmp_path, engine_data_folder):
    for path in bundle_folder.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "tokenizer.json").write_text(json.dumps({"version": "1.0"}))
    with pytest.raises(BundleError, match=r"tokenizer\.json: expected sha256 be50c36.*, found"):
        async with EmbeddingEngine(tmp_path, engine_data_folder):
            pytest.fail("served an altered bundle")


async def test_a_folder_without_a_bundle(tmp_path):
    with pytest.raises(BundleError, match=r"cannot read .*bundle\.yaml"):
        async with EmbeddingEngine(tmp_path, tmp_path):
            pytest.fail("served nothing")
