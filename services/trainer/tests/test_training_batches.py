"""Batches of samples: each once an epoch, the same when resumed, apart on each rank, with captions by their shares."""

from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sightwire_trainer.configuration import CaptionConfiguration, TrainingConfiguration, parse_configuration
from sightwire_trainer.data.batch_order import BatchOrder
from sightwire_trainer.data.batches import Batches
from sightwire_trainer.data.captions import choose_caption
from sightwire_trainer.data.concepts import concept_number
from sightwire_trainer.data.neighbours import neighbours
from sightwire_trainer.data.pictures import square_pixels
from sightwire_trainer.data.samples import Batch, BatchPosition, Sample

from services.trainer.tests.drawn_samples import ListedSamples, drawing, drawn_samples, encoded
from sightwire.errors import CorruptDataError, InvalidInputError

BEGIN = BatchPosition(0, 0)


def configuration(*, batch_size: int = 8, data: dict[str, object] | None = None) -> TrainingConfiguration:
    content = {
        "name": "test",
        "version": "1",
        "space": "test",
        "seed": 1,
        "batch_size": batch_size,
        "data": {"train": [{"kind": "tar", "path": "none.tar"}], **(data or {})},
        "model": {"size": 32},
    }
    return parse_configuration(content, base=Path(), name="test")


def described(batch: Batch) -> tuple[object, ...]:
    pictures = None if batch.images is None else batch.images.numpy().tobytes()
    return pictures, batch.texts, batch.captions, tuple(batch.concepts.tolist()), batch.following


@given(st.lists(st.integers(0, 8), max_size=40), st.integers(1, 5), st.integers(0, 100))
def test_neighbours_are_of_one_concept(labels: list[int], at_most: int, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(labels))
    arranged = neighbours(order, np.array(labels, np.int64), at_most).tolist()
    groups: list[list[int]] = []
    # The definition: whoever comes first takes those of its concept with it that come next.
    waiting = order.tolist()
    while waiting:
        groups.append([each for each in waiting if labels[each] == labels[waiting[0]]][:at_most])
        waiting = [each for each in waiting if each not in groups[-1]]
    assert arranged == [each for group in groups for each in group]


def test_pictures_of_a_concept_share_a_batch() -> None:
    labels = np.arange(24) // 2
    order = BatchOrder(24, 6, seed=0, labels=labels, per_label=2)
    for batch in range(order.batches_per_epoch):
        assert Counter(labels[order.batch(0, batch)].tolist()).most_common()[-1][1] == 2


counts = st.tuples(st.integers(1, 60), st.integers(1, 20), st.integers(1, 4)).filter(lambda drawn: drawn[0] >= drawn[2])


@given(counts, st.integers(0, 2**63 - 1), st.integers(0, 5))
def test_each_sample_is_once_in_an_epoch_and_on_one_rank(counts: tuple[int, int, int], seed: int, epoch: int) -> None:
    samples, batch_size, world_size = counts
    orders = [
        BatchOrder(samples, batch_size, seed=seed, rank=rank, world_size=world_size) for rank in range(world_size)
    ]
    assert len({order.batches_per_epoch for order in orders}) == 1
    batches = [[order.batch(epoch, batch) for batch in range(order.batches_per_epoch)] for order in orders]
    sizes = [[len(batch) for batch in of_rank] for of_rank in batches]
    assert all(of_rank == sizes[0] for of_rank in sizes)
    assert max(sizes[0]) <= batch_size
    assert max(sizes[0]) - min(sizes[0]) <= 1
    seen = Counter(int(number) for of_rank in batches for batch in of_rank for number in batch)
    assert set(seen.values()) == {1}
    assert samples - world_size < len(seen) <= samples


@settings(deadline=None, max_examples=10)
@given(st.integers(1, 30), st.integers(1, 9), st.integers(0, 3), st.integers(0, 12))
def test_resumption_equals_the_uninterrupted_sequence(samples: int, batch_size: int, workers: int, taken: int) -> None:
    source = ListedSamples(drawn_samples(samples, concepts=4))
    described_by = configuration(batch_size=batch_size, data={"workers": workers})
    uninterrupted = list(islice(Batches(source, described_by).from_position(BEGIN), taken + 5))
    position = uninterrupted[taken - 1].following if taken else BEGIN
    resumed = islice(Batches(source, described_by).from_position(position), 5)
    assert list(map(described, resumed)) == list(map(described, uninterrupted[taken:]))


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        return BatchOrder(50, 50, seed=seed).batch(epoch, 0).tolist()

    assert order(1, 0) == order(1, 0)
    assert len({tuple(order(seed, epoch)) for seed in (1, 2) for epoch in (0, 1)}) == 4


def test_a_batch_has_pictures_captions_and_concepts() -> None:
    samples = drawn_samples(6, concepts=2)
    [batch] = islice(Batches(ListedSamples(samples), configuration()).from_position(BEGIN), 1)
    assert batch.images is not None
    assert (batch.images.dtype, batch.images.shape) == (torch.uint8, (6, 3, 32, 32))
    assert batch.texts is None
    assert batch.following == BatchPosition(1, 0)
    by_concept = {concept_number(sample): sample.concept for sample in samples}
    assert Counter(by_concept[number] for number in batch.concepts.tolist()) == {"concept 0": 3, "concept 1": 3}
    order = BatchOrder(6, 8, seed=1).batch(0, 0)
    for row, number in enumerate(order.tolist()):
        assert np.array_equal(batch.images[row].numpy(), square_pixels(samples[number].image, 32))


def test_pictures_may_be_loaded_larger_than_the_model_takes_them() -> None:
    batches = Batches(ListedSamples(drawn_samples(2)), configuration(data={"loaded_size": 48}))
    assert next(batches.from_position(BEGIN)).images.shape == (2, 3, 48, 48)


def test_samples_of_a_name_without_a_concept_are_positives() -> None:
    same = concept_number(Sample("a", "Boat", b""))
    assert concept_number(Sample("b", "boat", b"")) == same
    assert concept_number(Sample("c", "ship", b"")) != same
    assert concept_number(Sample("d", "other", b"", concept="boat")) != same


class CountingSamples(ListedSamples):
    """Counts how often samples are read."""

    reads = 0

    def __getitem__(self, number: int) -> Sample:
        self.reads += 1
        return super().__getitem__(number)


@pytest.mark.parametrize(("kept", "reads"), [(0, 30), (4, 22), (10, 10)])
def test_pictures_are_kept_up_to_the_bytes_allowed(kept: int, reads: int) -> None:
    source = CountingSamples(drawn_samples(10))
    data = {"workers": 0, "cache_bytes": kept * 3 * 32 * 32}
    batches = list(islice(Batches(source, configuration(batch_size=5, data=data)).from_position(BEGIN), 6))
    assert source.reads == reads
    fresh = Batches(source, configuration(batch_size=5, data=data)).from_position(batches[3].following)
    assert described(next(fresh)) == described(batches[4])


def test_pairs_of_texts() -> None:
    samples = [Sample(str(number), f"title {number}", text=f"text {number}") for number in range(4)]
    [batch] = islice(Batches(ListedSamples(samples), configuration()).from_position(BEGIN), 1)
    assert batch.images is None
    assert sorted(batch.texts) == ["text 0", "text 1", "text 2", "text 3"]
    mixed = Batches(ListedSamples([*samples, *drawn_samples(1)]), configuration())
    with pytest.raises(CorruptDataError, match="pictures and texts"):
        next(mixed.from_position(BEGIN))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("image", [b"", b"no picture", drawing(1)[:100]])
def test_a_corrupt_picture_is_named(image: bytes, workers: int) -> None:
    source = ListedSamples([Sample("broken", "a boat", image)], name="boats.tar")
    batches = Batches(source, configuration(data={"workers": workers}))
    with pytest.raises(CorruptDataError, match=r"boats\.tar, broken: "):
        next(batches.from_position(BEGIN))


def test_too_few_samples() -> None:
    with pytest.raises(InvalidInputError, match="there are 0"):
        Batches(ListedSamples([]), configuration())


def test_transparency_is_laid_on_white() -> None:
    pixels = square_pixels(encoded(Image.new("RGBA", (20, 10), (0, 0, 0, 0))), 32)
    assert (pixels == 255).all()


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ({"name": 1}, {"boat"}),
        ({"keywords": 1, "keywords_at_most": 1}, {"sea", "sail"}),
        ({"name_and_keywords": 1}, {"boat, sea, sail", "boat, sail, sea"}),
        ({"description": 1}, {"A boat at sea."}),
        ({"name": 0.5, "description": 0.5}, {"boat", "A boat at sea."}),
    ],
)
def test_forms_of_captions(shares: dict[str, float], expected: set[str]) -> None:
    sample = Sample("a", "boat", b"", keywords=("sea", "sail"), description="A boat at sea.")
    shares = {"name": 0, "name_and_keywords": 0, "keywords": 0, "description": 0, **shares}
    chosen = {choose_caption(sample, CaptionConfiguration(**shares), np.random.default_rng(seed)) for seed in range(40)}
    assert chosen == expected


def test_variants_of_captions_return() -> None:
    keywords = tuple(f"keyword {number}" for number in range(9))
    configuration = CaptionConfiguration(name=0, name_and_keywords=0, keywords=1, variants=2)
    for key in ("a", "b"):
        sample = Sample(key, "boat", b"", keywords=keywords)
        chosen = {choose_caption(sample, configuration, np.random.default_rng(seed)) for seed in range(40)}
        assert len(chosen) == 2


def test_captions_by_their_shares() -> None:
    sample = Sample("a", "boat", b"", keywords=("sea",))
    chosen = Counter(
        choose_caption(sample, CaptionConfiguration(), np.random.default_rng(seed)) for seed in range(1000)
    )
    assert chosen["boat"] == pytest.approx(400, abs=60)
    assert chosen["boat, sea"] == pytest.approx(300, abs=60)
    bare = Sample("a", "boat", b"")
    assert {choose_caption(bare, CaptionConfiguration(), np.random.default_rng(seed)) for seed in range(20)} == {"boat"}
    with pytest.raises(InvalidInputError, match="all are 0"):
        choose_caption(bare, CaptionConfiguration(name=0, name_and_keywords=0, keywords=0), np.random.default_rng(1))
