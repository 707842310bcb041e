"""Which waiting requests share a batch."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sightwire_embedder.batching.selection import LOOK_AHEAD, PADDING_TOLERANCE, RequestShape, select_batch


def texts(*lengths: int) -> list[RequestShape]:
    return [RequestShape(length) for length in lengths]


@pytest.mark.parametrize(
    ("lengths", "budget", "expected"),
    [
        pytest.param([9], 128, [0], id="one alone"),
        pytest.param([9, 9, 9], 128, [0, 1, 2], id="equal lengths"),
        pytest.param([9, 9, 9], 18, [0, 1], id="as many as the budget allows, oldest first"),
        pytest.param([300], 128, [0], id="one over the budget goes alone"),
        pytest.param([300, 9, 9], 128, [0], id="and takes nobody along"),
        pytest.param([9, 256, 9, 9], 1000, [0, 2, 3], id="a long one does not pad short ones"),
        pytest.param([256, 9, 9, 250], 1000, [0, 3], id="the oldest sets the length"),
        pytest.param([10, 11, 9, 10], 128, [0, 1, 2, 3], id="similar lengths"),
    ],
)
def test_texts(lengths, budget, expected):
    assert select_batch(texts(*lengths), budget) == expected


def test_groups_do_not_mix():
    wide, tall = RequestShape(group=(288, 416)), RequestShape(group=(416, 288))
    assert select_batch([wide, tall, wide, tall], 8) == [0, 2]


def test_a_long_queue_is_looked_at_in_part():
    assert max(select_batch(texts(*[5] * 2000), 10**6)) < LOOK_AHEAD


shapes = st.lists(st.builds(RequestShape, st.integers(1, 512), st.sampled_from(["a", "b"])), min_size=1, max_size=60)


@given(shapes, st.integers(1, 2048))
def test_invariants(waiting, budget):
    chosen = select_batch(waiting, budget)
    batch = [waiting[index] for index in chosen]
    longest = max(shape.length for shape in batch)
    total = sum(shape.length for shape in batch)

    assert chosen[0] == 0, "the oldest is always in"
    assert chosen == sorted(set(chosen))
    assert {shape.group for shape in batch} == {waiting[0].group}
    if len(batch) > 1:
        assert len(batch) * longest <= budget
        assert total >= (1 - PADDING_TOLERANCE) * len(batch) * longest


@given(shapes, st.integers(1, 2048))
def test_every_request_is_served_in_time(waiting, budget):
    served = 0
    while waiting:
        chosen = set(select_batch(waiting, budget))
        served += len(chosen)
        waiting = [shape for index, shape in enumerate(waiting) if index not in chosen]
    assert served
