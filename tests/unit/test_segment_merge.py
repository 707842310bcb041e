"""Merging keeps what is live, and forgets deletions only when it may."""

from pathlib import Path

import numpy as np
import pytest
from pyroaring import BitMap

from sightwire.segments.batch import Tombstone
from sightwire.segments.merge import merged_content
from sightwire.segments.reader import SegmentReader
from sightwire.segments.version_index import LiveSegment
from sightwire.segments.writer import write_segment
from tests.plugin.segments import SCHEMA, detected, identity, item, make_segment, vector


def merge(folder: Path, *segments: LiveSegment, drop_tombstones_up_to: int = 0) -> SegmentReader:
    content = merged_content(segments, SCHEMA, drop_tombstones_up_to=drop_tombstones_up_to)
    merged_identity = identity()
    write_segment(folder / merged_identity.id, merged_identity, content)
    return SegmentReader.open(folder / merged_identity.id)


def without(segment: SegmentReader, *ids: str) -> LiveSegment:
    return LiveSegment(segment, BitMap(segment.find_ids(list(ids)).tolist()))


def test_live_items_keep_everything_that_belongs_to_them(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    written = {
        f"item-{number}": item(
            f"item-{number}",
            number + 1,
            tags=[f"tag-{number % 4}"],
            metadata={"shop": f"shop-{number % 3}", "colours": ["red"] * (number % 3)},
            objects=[detected(number % 5, 0.1 * position) for position in range(number % 4)],
            vectors={
                "image": vector(rng, 8),
                **({"object": vector(rng, number % 4, 8)} if number % 4 else {}),
                **({"place": vector(rng, 2)} if number % 3 == 0 else {}),
            },
        )
        for number in range(90)
    }
    parts = [
        make_segment(tmp_path, [written[f"item-{number}"] for number in range(first, first + 30)])
        for first in (0, 30, 60)
    ]
    gone = {f"item-{number}" for number in range(0, 90, 7)}
    segments = [
        without(part, *[item_id for item_id in sorted(gone) if part.find_ids([item_id])[0] >= 0]) for part in parts
    ]
    merged = merge(tmp_path, *segments)
    assert set(merged.ids(np.arange(merged.rows))) == written.keys() - gone
    for item_id in written.keys() - gone:
        source = next(part for part in parts if part.find_ids([item_id])[0] >= 0)
        before, after = int(source.find_ids([item_id])[0]), int(merged.find_ids([item_id])[0])
        for column in SCHEMA.items.names:
            assert merged.items[column][after].as_py() == source.items[column][before].as_py(), column
        old_objects = slice(*source.object_offsets[before : before + 2].tolist())
        new_objects = slice(*merged.object_offsets[after : after + 2].tolist())
        np.testing.assert_array_equal(merged.boxes[new_objects], source.boxes[old_objects])
        assert (
            merged.objects["class_name"][new_objects].to_pylist()
            == source.objects["class_name"][old_objects].to_pylist()
        )
        for field, targets in (("image", [(before, after)]), ("place", [(before, after)])):
            for old, new in targets:
                assert_same_vector(source.vector(field, old), merged.vector(field, new))
        for old, new in zip(
            range(old_objects.start, old_objects.stop), range(new_objects.start, new_objects.stop), strict=True
        ):
            assert_same_vector(source.vector("object", old), merged.vector("object", new))


def assert_same_vector(old: np.ndarray | None, new: np.ndarray | None) -> None:
    assert (old is None) == (new is None)
    if old is not None and new is not None:
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(
    ("tombstones", "safe_version", "expected"),
    [
        pytest.param([("x", 5)], 0, {"x": 5}, id="kept"),
        pytest.param([("x", 5)], 4, {"x": 5}, id="something older may still come"),
        pytest.param([("x", 5)], 5, {}, id="nothing older can come"),
        pytest.param([("live", 5)], 0, {}, id="a newer version lives in the result"),
        pytest.param([("live", 20)], 0, {"live": 20}, id="newer than the row that it will meet"),
    ],
)
def test_tombstones(
    tmp_path: Path, tombstones: list[tuple[str, int]], safe_version: int, expected: dict[str, int]
) -> None:
    segments = [
        without(make_segment(tmp_path, [item("live", 9)])),
        without(make_segment(tmp_path, [], [Tombstone(*tombstone) for tombstone in tombstones])),
    ]
    merged = merge(tmp_path, *segments, drop_tombstones_up_to=safe_version)
    found = dict(zip(merged.tombstones["id"].to_pylist(), merged.tombstone_versions.tolist(), strict=True))
    assert found == expected


def test_of_two_tombstones_the_newer_stays(tmp_path: Path) -> None:
    parts = [without(make_segment(tmp_path, [], [Tombstone("x", version), Tombstone("y", 1)])) for version in (7, 9, 8)]
    merged = merge(tmp_path, *parts)
    found = dict(zip(merged.tombstones["id"].to_pylist(), merged.tombstone_versions.tolist(), strict=True))
    assert found == {"x": 9, "y": 1}
    assert (merged.find_tombstones(["x", "y"]) >= 0).all()


def test_a_merge_of_nothing_live_is_empty(tmp_path: Path) -> None:
    merged = merge(tmp_path, without(make_segment(tmp_path, [item("a")]), "a"))
    assert (merged.rows, merged.description.objects, merged.description.tombstones) == (0, 0, 0)
