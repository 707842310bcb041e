"""Two indexes with the same items, or nearly: compared by ids and versions, whatever segments they lie in."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightwire.contracts.migrations import DifferingItem
from sightwire.segments import comparing
from sightwire.segments.comparing import Comparison, ItemVersions, compare_items
from sightwire.segments.identifiers import hash_ids

#: Version by id, of one segment; and ids that are deleted from it.
Rows = Mapping[str, int]


def segment(rows: Rows, *, deleted: Sequence[str] = (), hash_bits: int = 64) -> ItemVersions:
    """A segment; with few `hash_bits`, many ids have the same hash."""
    ids = list(rows)
    hashes = hash_ids(ids) >> np.uint64(64 - hash_bits) << np.uint64(64 - hash_bits)
    order = np.argsort(hashes, kind="stable")
    ordered = [ids[position] for position in order]
    return ItemVersions(
        hashes=hashes[order],
        ids=pa.array(ordered, pa.string()),
        versions=np.array([rows[item_id] for item_id in ordered], dtype=np.int64),
        live=np.array([item_id not in deleted for item_id in ordered], dtype=np.bool_) if deleted else None,
    )


def naive(copy: Rows, original: Rows) -> tuple[set[DifferingItem], set[DifferingItem]]:
    pairs = {DifferingItem(item_id, original.get(item_id, 0), copy.get(item_id, 0)) for item_id in {*copy, *original}}
    missing = {pair for pair in pairs if pair.shadow_version < pair.version}
    surplus = {pair for pair in pairs if pair.shadow_version > pair.version}
    return missing, surplus


ITEMS = st.dictionaries(st.text(max_size=3), st.integers(1, 3), max_size=30)


@st.composite
def indexes(draw: st.DrawFn, hash_bits: int) -> tuple[Rows, list[ItemVersions]]:
    """What an index holds, and segments that hold it, with deleted rows of any kind among them."""
    items = draw(ITEMS)
    segments = []
    for number in range(parts := draw(st.integers(1, 4))):
        live = {item_id: version for place, (item_id, version) in enumerate(items.items()) if place % parts == number}
        deleted = {item_id: version for item_id, version in draw(ITEMS).items() if item_id not in live}
        segments.append(segment({**live, **deleted}, deleted=list(deleted), hash_bits=hash_bits))
    return items, segments


@settings(max_examples=200, deadline=None)
@given(data=st.data(), hash_bits=st.sampled_from([1, 4, 64]), at_once=st.integers(1, 20))
def test_a_comparison_finds_what_dictionaries_would(data: st.DataObject, hash_bits: int, at_once: int) -> None:
    (copy, copy_segments), (original, original_segments) = (data.draw(indexes(hash_bits)) for _ in range(2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparing, "_ITEMS_AT_ONCE", at_once)
        found = compare_items(copy_segments, original_segments, sample=1000)
        few = compare_items(copy_segments, original_segments, sample=2)
    missing, surplus = naive(copy, original)
    assert (set(found.missing_items), set(found.surplus_items)) == (missing, surplus)
    assert (found.missing, found.surplus) == (len(missing), len(surplus)) == (few.missing, few.surplus)
    assert (len(few.missing_items), len(few.surplus_items)) == (min(2, len(missing)), min(2, len(surplus)))


def test_an_empty_index_lacks_everything() -> None:
    assert compare_items([], [segment({"a": 1})], sample=9) == Comparison(1, 0, (DifferingItem("a", 1, 0),), ())
    assert compare_items([], [], sample=9) == Comparison(0, 0, (), ())


def test_a_million_items_are_compared() -> None:
    count = 1_000_000
    rng = np.random.default_rng(5)
    hashes = np.sort(rng.integers(0, 2**64, count, dtype=np.uint64))
    ids = pa.array([f"item-{number:07}" for number in range(count)], pa.string())
    versions = np.arange(1, count + 1)
    older = versions.copy()
    older[::1000] -= 1
    halves = [
        ItemVersions(hashes[part], ids.take(pa.array(np.arange(count)[part])), older[part])
        for part in (slice(0, None, 2), slice(1, None, 2))
    ]
    found = compare_items(halves, [ItemVersions(hashes, ids, versions)], sample=10)
    assert (found.missing, found.surplus) == (1000, 0)
    assert len(found.missing_items) == 10
