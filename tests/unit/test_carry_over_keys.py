"""Looking up which items of one generation another one has."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sightwire.segments.carry_over import Keys, KeySet

#: Few hashes and versions, so that they meet: equal hashes of other versions, and of the same in several parts.
PAIRS = st.lists(st.tuples(st.sampled_from([0, 1, 2, 2**64 - 1]), st.integers(0, 3)), max_size=12)


def keys(pairs: list[tuple[int, int]]) -> Keys:
    return np.array(pairs, dtype=[("id_hash", "<u8"), ("version", "<i8")])


@given(st.lists(PAIRS, max_size=4), PAIRS)
def test_a_set_of_keys_has_what_one_of_its_parts_has(parts: list[list[tuple[int, int]]], asked: list[tuple[int, int]]):
    known = {pair for part in parts for pair in part}
    found = KeySet([keys(part) for part in parts]).contains(keys(asked))
    assert found.tolist() == [pair in known for pair in asked]
