"""Finding rows by id: in many at once, with hashes that collide, and across segments by version."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyroaring import BitMap

from sightwire.segments.batch import Tombstone
from sightwire.segments.id_lookup import IdLookup
from sightwire.segments.resolution import Change, resolve, winning_changes
from sightwire.segments.version_index import UNKNOWN, LiveSegment, current_versions
from tests.plugin.segments import item, make_segment


@pytest.mark.parametrize(
    ("ids", "expected"),
    [(["b"], [1]), (["c", "a", "b"], [2, 0, 1]), (["x"], [-1]), (["d", "x", "d"], [3, -1, 3]), ([], [])],
)
def test_equal_hashes_are_told_apart_by_the_id(ids: list[str], expected: list[int]) -> None:
    hashes = np.array([5, 5, 5, 9], dtype=np.uint64)
    lookup = IdLookup(hashes, pa.array(["a", "b", "c", "d"]))
    wanted = np.array([9 if item_id == "d" else 5 for item_id in ids], dtype=np.uint64)
    assert lookup.find(ids, wanted).tolist() == expected


def test_a_hash_beyond_the_last_one_is_not_found() -> None:
    lookup = IdLookup(np.array([5], dtype=np.uint64), pa.array(["a"]))
    assert lookup.find(["z"], np.array([2**64 - 1], dtype=np.uint64)).tolist() == [-1]


def test_an_empty_lookup_finds_nothing() -> None:
    lookup = IdLookup(np.empty(0, dtype=np.uint64), pa.array([], type=pa.string()))
    assert lookup.find(["a"]).tolist() == [-1]


def test_current_versions_are_those_of_live_rows_and_tombstones(tmp_path: Path) -> None:
    old = make_segment(tmp_path, [item("updated", 1), item("deleted", 2), item("kept", 3)])
    new = make_segment(tmp_path, [item("updated", 5)], [Tombstone("deleted", 6), Tombstone("never seen", 7)])
    superseded = BitMap(old.find_ids(["updated", "deleted"]).tolist())
    segments = [LiveSegment(old, superseded), LiveSegment(new, BitMap())]
    current = current_versions(segments, ["updated", "deleted", "kept", "never seen", "unknown"])
    assert current.versions.tolist() == [5, 6, 3, 7, UNKNOWN]
    assert current.is_tombstone.tolist() == [False, True, False, True, False]
    assert current.segments.tolist() == [1, -1, 0, -1, -1]
    assert current.rows[2] == old.find_ids(["kept"])[0]


PUT, DELETE = True, False


@pytest.mark.parametrize(
    ("changes", "items", "tombstones", "superseded"),
    [
        pytest.param([("new", 4, PUT)], ["new@4"], [], 0, id="unknown id"),
        pytest.param([("live", 9, PUT)], ["live@9"], [], 1, id="newer version"),
        pytest.param([("live", 5, PUT)], [], [], 0, id="the version that is there"),
        pytest.param([("live", 4, PUT)], [], [], 0, id="older version"),
        pytest.param([("live", 9, DELETE)], [], ["live@9"], 1, id="deletion"),
        pytest.param([("live", 4, DELETE)], [], [], 0, id="deletion that came late"),
        pytest.param([("new", 4, DELETE)], [], ["new@4"], 0, id="deletion before its put"),
        pytest.param([("dead", 7, PUT)], [], [], 0, id="put that a deletion overtook"),
        pytest.param([("dead", 8, PUT)], [], [], 0, id="the version of the deletion"),
        pytest.param([("dead", 9, PUT)], ["dead@9"], [], 0, id="put after a deletion"),
        pytest.param([("new", 6, PUT), ("new", 4, PUT)], ["new@6"], [], 0, id="two versions, the higher first"),
        pytest.param([("new", 4, PUT), ("new", 6, DELETE)], [], ["new@6"], 0, id="put and deletion at once"),
        pytest.param([("new", 6, DELETE), ("new", 7, PUT)], ["new@7"], [], 0, id="deletion and put at once"),
        pytest.param([("new", 4, PUT), ("new", 4, PUT)], ["new@4"], [], 0, id="duplicate"),
    ],
)
def test_the_highest_version_wins(
    tmp_path: Path,
    changes: list[tuple[str, int, bool]],
    items: list[str],
    tombstones: list[str],
    superseded: int,
) -> None:
    segments = [LiveSegment(make_segment(tmp_path, [item("live", 5)], [Tombstone("dead", 8)]), BitMap())]
    winners = list(
        winning_changes(
            [
                Change(item_id, version, item(item_id, version) if is_put else None)
                for item_id, version, is_put in changes
            ]
        ).values()
    )
    resolution = resolve(winners, current_versions(segments, [change.id for change in winners]))
    assert [f"{accepted.id}@{accepted.version}" for accepted in resolution.items] == items
    assert [f"{accepted.id}@{accepted.version}" for accepted in resolution.tombstones] == tombstones
    assert sum(len(rows) for rows in resolution.superseded.values()) == superseded
