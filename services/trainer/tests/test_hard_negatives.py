"""Hard negatives: the nearest that are wrong, in batches with their samples, the same after an interruption."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sightwire_trainer.checkpoints.store import CheckpointStore
from sightwire_trainer.configuration import HardNegatives
from sightwire_trainer.data.batch_order import BatchOrder
from sightwire_trainer.data.grouping import grouped
from sightwire_trainer.negatives.alikeness import Alikeness
from sightwire_trainer.negatives.nearest_wrong import NONE, first_wrong, nearest_wrong
from sightwire_trainer.training.mining_schedule import is_mined_before, next_mining_after
from sightwire_trainer.training.run import train

from services.trainer.tests.tiny_runs import parsed, picture_content, text_content
from sightwire.contracts.training import RunState, TrainingCompleted, TrainingProgress
from sightwire.errors import SightwireError


def of_concepts(concepts: Sequence[int], **others: Any) -> Alikeness:
    """Samples of these concepts, otherwise all unlike."""
    count = len(concepts)
    facts = {
        "names": np.arange(count),
        "texts": np.zeros(count, np.int64),
        "pictures": np.zeros(count, np.uint64),
        "have_pictures": np.zeros(count, np.bool_),
        "bits": 6,
    }
    return Alikeness(concepts=np.array(concepts, np.int64), **facts | others)


@pytest.mark.parametrize(
    ("others", "alike"),
    [
        ({}, [True, False, False]),
        ({"names": np.array([7, 8, 7])}, [True, False, True]),
        ({"texts": np.array([3, 3, 4])}, [True, True, False]),
        (
            {"pictures": np.array([0, 0b111, 0b1111111], np.uint64), "have_pictures": np.ones(3, bool)},
            [True, True, False],
        ),
        (
            {"pictures": np.array([0, 0b111, 0], np.uint64), "have_pictures": np.array([True, True, False])},
            [True, True, False],
        ),
    ],
    ids=["concept", "name", "text", "near picture", "no picture"],
)
def test_what_is_alike_the_first_of_three(others: dict[str, Any], alike: list[bool]) -> None:
    samples = of_concepts([1, 2, 3], **others)
    assert samples.between(np.array(0), np.arange(3)).tolist() == alike


def test_the_nearest_that_are_wrong_by_vectors() -> None:
    queries = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], np.float32)
    documents = np.array([[1, 0], [0.9, 0.1], [0.1, 0.9], [0.8, 0.2]], np.float32)
    alike = of_concepts([1, 1, 2, 3])
    assert nearest_wrong(queries, documents, alike, count=2).tolist() == [[3, 2], [3, 2], [3, 1], [2, 1]]
    assert nearest_wrong(queries, documents, alike, count=2, skip=1).tolist() == [
        [2, NONE],
        [2, NONE],
        [1, 0],
        [1, 0],
    ]
    assert nearest_wrong(queries[:1], documents[:1], of_concepts([1]), count=2).tolist() == [[NONE, NONE]]


@given(st.integers(1, 12), st.integers(1, 6), st.integers(0, 3), st.integers(1, 40), st.data())
def test_vectors_are_searched_exactly_whatever_the_memory(
    samples: int, count: int, skip: int, block_bytes: int, data: st.DataObject
) -> None:
    vectors = arrays.arrays(np.float32, (samples, 3), elements=st.integers(-4, 4).map(float))
    queries, documents = data.draw(vectors), data.draw(vectors)
    alike = of_concepts(data.draw(st.lists(st.integers(0, 3), min_size=samples, max_size=samples)))
    expected = []
    for number, query in enumerate(queries):
        wrong = [other for other in range(samples) if alike.concepts[other] != alike.concepts[number]]
        ranked = sorted(wrong, key=lambda other, query=query: (-float(documents[other] @ query), other))
        expected.append((ranked[skip : skip + count] + [NONE] * count)[:count])
    found = nearest_wrong(queries, documents, alike, count=count, skip=skip, block_bytes=block_bytes)
    # Which of equal ones are chosen is not said, only how near they are.
    for query, wanted, row in zip(queries, expected, found.tolist(), strict=True):
        assert [other == NONE for other in row] == [other == NONE for other in wanted]
        scores = [[float(documents[other] @ query) for other in part if other != NONE] for part in (wanted, row)]
        assert scores[0] == scores[1]


def test_the_first_answers_that_are_wrong() -> None:
    answers = np.array([[0, 2, 1, NONE], [NONE, NONE, NONE, NONE], [1, NONE, 0, 3], [3, 2, 1, 0]])
    alike = of_concepts([1, 1, 2, 3])
    assert first_wrong(answers, alike, count=2).tolist() == [[2, NONE], [NONE, NONE], [1, 0], [2, 1]]
    assert first_wrong(answers, alike, count=1, skip=1).tolist() == [[NONE], [NONE], [0], [1]]
    assert first_wrong(answers, alike, count=6)[3].tolist() == [2, 1, 0, NONE, NONE, NONE]


def test_samples_bring_their_hard_negatives_along() -> None:
    negatives = np.array([[4, 5], [0, NONE], [3, 0], [2, 1], [0, 5], [0, 1]])
    everybody = np.ones(6, np.bool_)
    order = np.arange(6)
    assert grouped(order, [3, 6], negatives, everybody).tolist() == [0, 4, 5, 1, 2, 3]
    assert grouped(order, [2, 4, 6], negatives, everybody).tolist() == [0, 4, 1, 2, 3, 5]
    assert grouped(order, [3, 6], negatives, np.zeros(6, np.bool_)).tolist() == order.tolist()
    assert grouped(order[:4], [2, 4], negatives, everybody).tolist() == [0, 1, 2, 3]


drawn_negatives = st.integers(4, 60).flatmap(
    lambda samples: arrays.arrays(np.int64, (samples, 2), elements=st.integers(-1, samples - 1))
)


@given(drawn_negatives, st.integers(1, 20), st.integers(1, 4), st.sampled_from([0.0, 0.5, 1.0]))
def test_an_epoch_with_hard_negatives_still_has_each_sample_once(
    negatives: np.ndarray[Any, Any], batch_size: int, world_size: int, share: float
) -> None:
    def taken(**options: Any) -> list[list[list[int]]]:
        orders = [
            BatchOrder(len(negatives), batch_size, seed=3, rank=rank, world_size=world_size, **options)
            for rank in range(world_size)
        ]
        return [[order.batch(2, batch).tolist() for batch in range(order.batches_per_epoch)] for order in orders]

    plain, with_negatives = taken(), taken(negatives=negatives, share=share)
    assert sorted(number for rank in plain for batch in rank for number in batch) == sorted(
        number for rank in with_negatives for batch in rank for number in batch
    )
    assert [[len(batch) for batch in rank] for rank in plain] == [
        [len(batch) for batch in rank] for rank in with_negatives
    ]
    if not share:
        assert plain == with_negatives


@pytest.mark.parametrize("world_size", [1, 2])
def test_samples_meet_hard_negatives_that_chance_would_keep_apart(world_size: int) -> None:
    negatives = np.random.default_rng(1).integers(0, 2000, (2000, 2))

    def meetings(**options: Any) -> float:
        """The share of samples with one of theirs in their batch, that of all ranks."""
        orders = [
            BatchOrder(2000, 20, seed=1, rank=rank, world_size=world_size, **options) for rank in range(world_size)
        ]
        met = 0
        for batch in range(orders[0].batches_per_epoch):
            together = {int(number) for order in orders for number in order.batch(0, batch)}
            met += sum(bool(together & set(negatives[number].tolist())) for number in together)
        return met / 2000

    assert meetings() < 0.1
    # The others were brought by samples whose negatives they are, or theirs came earlier.
    assert meetings(negatives=negatives) > 0.3
    assert 0.1 < meetings(negatives=negatives, share=0.5) < 0.3


@pytest.mark.parametrize(
    ("begin", "every", "mined"),
    [(0, 1, [0, 1, 2, 3, 4, 5]), (1, 1, [1, 2, 3, 4, 5]), (1, 2, [1, 3, 5]), (2, 3, [2, 5]), (9, 1, [])],
)
def test_when_is_mined(begin: int, every: int, mined: list[int]) -> None:
    configuration = HardNegatives(begin=begin, every=every)
    assert [epoch for epoch in range(6) if is_mined_before(epoch, configuration)] == mined
    for epoch in range(6):
        following = next_mining_after(epoch, configuration)
        assert following > epoch
        assert is_mined_before(following, configuration)
        assert not any(is_mined_before(between, configuration) for between in range(epoch + 1, following))


class _Steps:
    """Counts the steps of a run."""

    def __init__(self) -> None:
        self.count = 0

    def progressed(self, progress: TrainingProgress) -> None:
        self.count += 1

    def evaluated(self, progress: TrainingProgress) -> None:
        pass

    def ended(self, completed: TrainingCompleted) -> None:
        pass


@pytest.mark.parametrize("content_of", [picture_content, text_content])
@pytest.mark.parametrize("ask_by", ["caption", "document"])
def test_a_run_mines_by_its_model(content_of: Any, ask_by: str, tmp_path: Path, bundle_folder: Path) -> None:
    content = content_of(tmp_path)
    content["model"]["bundle"] = str(bundle_folder)
    objective = {"hard_negatives": {"per_sample": 2, "ask_by": ask_by, "begin": 0}}
    steps = _Steps()

    outcome = train(parsed(content, tmp_path, objective=objective), tmp_path / "run", listener=steps)

    assert (outcome.state, steps.count) == (RunState.COMPLETED, 9)
    last = CheckpointStore(tmp_path / "run" / "checkpoints").last()
    assert last is not None
    mined = last.state["hard_negatives"]
    assert mined.shape == (24, 2)
    assert ((mined >= 0) & (mined < 24)).all()
    assert not any(number in row for number, row in enumerate(mined.tolist()))


def test_a_platform_that_does_not_answer_ends_the_run_before_it_begins(tmp_path: Path, bundle_folder: Path) -> None:
    content = text_content(tmp_path)
    content["model"]["bundle"] = str(bundle_folder)
    steps = _Steps()
    mining = {"collection": "pairs", "gateway": "http://127.0.0.1:9", "begin": 2}

    with pytest.raises(SightwireError, match="no Sightwire platform answers"):
        train(parsed(content, tmp_path, objective={"hard_negatives": mining}), tmp_path / "run", listener=steps)
    assert steps.count == 0
