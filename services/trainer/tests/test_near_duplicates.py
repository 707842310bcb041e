"""Pictures, texts and captions that are nearly those of an evaluation set."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, ImageEnhance
from sightwire_trainer.data.deduplication import Likeness, find_likenesses
from sightwire_trainer.data.examination import examine
from sightwire_trainer.data.perceptual_hashes import have_near, perceptual_hash
from sightwire_trainer.data.samples import Sample

from services.trainer.tests.drawn_samples import ListedSamples, drawing, drawn_samples, encoded
from sightwire.errors import CorruptDataError

hashes = arrays.arrays(np.uint64, st.integers(0, 20))


def drawn(seed: int) -> Image.Image:
    return Image.open(io.BytesIO(drawing(seed, side=96))).convert("RGB")


def bits_between(first: Image.Image, second: Image.Image) -> int:
    return (perceptual_hash(first) ^ perceptual_hash(second)).bit_count()


@pytest.mark.parametrize("seed", range(8))
def test_a_picture_that_is_processed_stays_near(seed: int) -> None:
    picture = drawn(seed)
    processed = {
        "smaller": picture.resize((40, 40)),
        "compressed": Image.open(io.BytesIO(encoded(picture, "JPEG"))),
        "brighter": ImageEnhance.Brightness(picture).enhance(0.9),
        "paler": ImageEnhance.Color(picture).enhance(0.9),
    }
    assert {name: bits_between(picture, changed) for name, changed in processed.items()} == dict.fromkeys(
        processed, pytest.approx(0, abs=6)
    )


def test_other_pictures_are_far() -> None:
    near = [(a, b) for a in range(12) for b in range(a) if bits_between(drawn(a), drawn(b)) <= 6]
    assert near == []


@pytest.mark.parametrize("colour", ["white", "red", "black"])
def test_pictures_of_one_colour_have_one_hash(colour: str) -> None:
    assert perceptual_hash(Image.new("RGB", (50, 30), colour)) == 0


@given(hashes, hashes, st.integers(0, 32))
def test_near_hashes_are_those_of_a_search_one_by_one(first: np.ndarray, second: np.ndarray, bits: int) -> None:
    one_by_one = [any((int(a) ^ int(b)).bit_count() <= bits for b in second) for a in first]
    assert have_near(first, second, bits).tolist() == one_by_one


def likenesses(samples: list[Sample], measuring: list[Sample]) -> list[Likeness | None]:
    examined = [examine(ListedSamples(part), workers=0, skip_corrupt=False).samples for part in (samples, measuring)]
    return find_likenesses(*examined, bits=6)


def test_likenesses() -> None:
    boat = Sample("boat", "a boat", drawing(1), keywords=("sea", "sail"), origin="me")
    measuring = [boat, Sample("words", "title", text="Boats float.")]
    samples = {
        Sample("copy", "another name", encoded(drawn(1), "JPEG")): Likeness.PICTURE,
        Sample("redrawn", "A  boat", drawing(2), keywords=("sail", "sea"), origin="me"): Likeness.CAPTIONS,
        Sample("text", "another title", text="boats  float."): Likeness.TEXT,
        Sample("elsewhere", "a boat", drawing(3), keywords=("sea", "sail"), origin="you"): None,
        Sample("class", "a boat", drawing(4), origin="me"): None,
        Sample("fiction", "title", text="Boats sink."): None,
    }
    assert likenesses(list(samples), measuring) == list(samples.values())
    assert likenesses(list(samples), []) == [None] * len(samples)
    assert likenesses([], measuring) == []


def test_names_alone_are_no_captions_to_be_known_by() -> None:
    cat = Sample("1", "cat", drawing(1), origin="photos")
    assert likenesses([Sample("2", "cat", drawing(2), origin="photos")], [cat]) == [None]


def test_examination_names_what_cannot_be_read() -> None:
    samples = drawn_samples(130)
    samples[70] = Sample("broken", "a boat", drawing(1)[:100])
    source = ListedSamples(samples, name="boats.tar")
    for workers in (0, 2):
        with pytest.raises(CorruptDataError, match=r"boats\.tar, broken: .*truncated"):
            examine(source, workers=workers, skip_corrupt=False)
        examination = examine(source, workers=workers, skip_corrupt=True)
        assert [sample.number for sample in examination.samples] == [*range(70), *range(71, 130)]
        assert len(examination.faults) == 1
