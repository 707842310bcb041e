"""Labels by cosine: which is nearest, which reach a threshold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sightwire_orchestrator.tasks.zero_shot import choose_labels

EAST, NORTH, NORTH_EAST = (np.array(vector, np.float32) for vector in ([1, 0], [0, 1], [1, 1]))
LABELS = {"east": np.stack([EAST]), "north": np.stack([NORTH])}


@pytest.mark.parametrize(
    ("vector", "threshold", "several", "labels"),
    [
        ([3, 1], None, False, ("east",)),
        ([1, 3], None, False, ("north",)),
        ([3, 1], 0.9, False, ("east",)),
        ([3, 1], 0.99, False, ()),
        ([3, 2], 0.5, True, ("east", "north")),
        ([3, 1], 0.5, True, ("east",)),
        ([-1, -1], 0.0, True, ()),
        ([0, 0], 0.1, False, ()),
    ],
)
def test_labels_are_chosen_by_cosine(
    vector: list[float], threshold: float | None, several: bool, labels: tuple[str, ...]
):
    [choice] = choose_labels(
        np.array([vector], np.float32), LABELS, threshold=threshold, several=several, temperature=0.1
    )
    assert choice.labels == labels


def test_descriptions_count_by_their_direction_and_not_their_length():
    descriptions = {"both": np.stack([100 * EAST, NORTH]), "west": np.stack([-EAST])}
    [choice] = choose_labels(np.stack([NORTH_EAST]), descriptions, threshold=None, several=False, temperature=1.0)
    assert choice.scores["both"] == pytest.approx(1.0, abs=1e-6)
    assert choice.scores["west"] == pytest.approx(-(0.5**0.5), abs=1e-6)


@given(
    st.lists(st.tuples(*[st.floats(-10, 10, width=32)] * 3), min_size=1, max_size=5),
    st.integers(1, 5),
    st.floats(0.01, 2),
)
def test_scores_are_cosines_and_probabilities_sum_to_one(
    rows: list[tuple[float, float, float]], count: int, temperature: float
):
    generator = np.random.default_rng(count)
    labels = {f"l{number}": generator.standard_normal((2, 3)).astype(np.float32) for number in range(count)}
    choices = choose_labels(np.array(rows, np.float32), labels, threshold=None, several=False, temperature=temperature)
    assert len(choices) == len(rows)
    for choice in choices:
        assert list(choice.scores.values()) == sorted(choice.scores.values(), reverse=True)
        assert all(-1.001 <= score <= 1.001 for score in choice.scores.values())
        assert sum(choice.probabilities.values()) == pytest.approx(1, abs=1e-4)
        assert choice.labels == (next(iter(choice.scores)),)
