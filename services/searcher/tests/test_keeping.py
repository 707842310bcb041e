"""What is kept, and for how long: evaluated filters, old snapshots, requests to reload."""

from datetime import timedelta

import numpy as np
import pytest
from sightwire_searcher.loading.reload_requests import ReloadRequest
from sightwire_searcher.selection_cache import SelectionCache
from sightwire_searcher.snapshot import Snapshot
from sightwire_searcher.snapshot_board import SnapshotBoard

from services.searcher.tests.building import EPOCH, collection_record
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.names import FIRST_GENERATION
from sightwire.errors import ConflictError, UnavailableError
from sightwire.segments.manifest import Checkpoint, Manifest
from sightwire.segments.selection import Selection

RECORD = collection_record("photos")


def snapshot(version: int, record: CollectionRecord = RECORD) -> Snapshot:
    manifest = Manifest(
        version=version,
        collection=record.name,
        collection_uid=record.uid,
        generation=FIRST_GENERATION,
        space=record.space,
        created_at=EPOCH,
        checkpoint=Checkpoint(sequence=version, stream_created_at=EPOCH),
    )
    return Snapshot(record, manifest, ())


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_only_versions_that_were_searched_are_kept_and_not_for_ever() -> None:
    clock = Clock()
    board = SnapshotBoard(kept=2, keep_seconds=60, clock=clock)
    assert board.for_search("photos", 0) is None
    for version in (1, 2, 3, 4):
        board.publish(snapshot(version))
        if version != 2:
            assert board.for_search("photos", 0).version == version
    board.publish(snapshot(5))

    for version in (3, 4, 5):
        assert board.for_search("photos", version).version == version
    with pytest.raises(ConflictError, match=r"version 2 .* is not kept any more"):
        board.for_search("photos", 2)  # nobody had searched it
    with pytest.raises(ConflictError, match="start again from the first page"):
        board.for_search("photos", 1)  # two newer ones are kept
    with pytest.raises(UnavailableError, match=r"version 6 .* is not loaded yet"):
        board.for_search("photos", 6)

    clock.now = 61.0
    board.expire()
    with pytest.raises(ConflictError):
        board.for_search("photos", 4)
    assert board.newest("photos").version == 5


def test_another_incarnation_starts_anew() -> None:
    board = SnapshotBoard(kept=2, keep_seconds=60)
    board.publish(snapshot(7))
    board.for_search("photos", 0)
    board.publish(snapshot(1, collection_record("photos")))
    assert board.newest("photos").version == 1
    with pytest.raises(UnavailableError):
        board.for_search("photos", 7)
    board.drop("photos")
    assert board.newest("photos") is None


def test_a_version_that_is_published_again_stays_searched() -> None:
    board = SnapshotBoard(kept=2, keep_seconds=60)
    board.publish(snapshot(1))
    board.for_search("photos", 0)
    board.publish(snapshot(1))
    board.publish(snapshot(2))
    assert board.for_search("photos", 1).version == 1


def test_the_cache_drops_what_was_not_used_for_longest() -> None:
    rows = 800
    everything = np.ones(rows, dtype=np.bool_)
    entry_bytes = rows + rows // 8 + 8 * rows
    cache = SelectionCache(max_bytes=10 * entry_bytes)
    evaluated: list[int] = []

    def get(number: int) -> Selection:
        def evaluate() -> Selection:
            evaluated.append(number)
            return Selection(everything)

        return cache.get(number, evaluate)

    for number in range(10):
        get(number)
    get(0)
    get(10)
    assert cache.resident_bytes <= 10 * entry_bytes
    get(0)
    get(10)
    assert evaluated == list(range(11))
    get(1)
    assert evaluated[-1] == 1


def test_a_selection_larger_than_the_cache_is_not_kept() -> None:
    cache = SelectionCache(max_bytes=10)
    assert cache.get("key", lambda: Selection(np.ones(100, dtype=np.bool_))).count == 100
    assert (len(cache), cache.resident_bytes) == (0, 0)


OTHER = collection_record("photos")


@pytest.mark.parametrize(
    ("older", "newer", "version", "traceparents"),
    [
        (ReloadRequest(RECORD, 1, EPOCH, ("a",)), ReloadRequest(RECORD, 3, EPOCH, ("b",)), 3, ("a", "b")),
        (ReloadRequest(RECORD, 3, EPOCH, ("a",)), ReloadRequest(RECORD, 1, EPOCH, ("b",)), 3, ("a", "b")),
        (ReloadRequest(RECORD, 3, EPOCH, ("a",)), ReloadRequest(RECORD), None, ("a",)),
        (ReloadRequest(RECORD), ReloadRequest(RECORD, 3, EPOCH, ("a",)), None, ("a",)),
        (ReloadRequest(OTHER, 9, EPOCH, ("a",)), ReloadRequest(RECORD, 1, EPOCH, ("b",)), 1, ("b",)),
    ],
)
def test_requests_that_pile_up_become_one(
    older: ReloadRequest, newer: ReloadRequest, version: int | None, traceparents: tuple[str, ...]
) -> None:
    joined = older.joined_with(newer)
    assert (joined.record, joined.version, joined.traceparents) == (RECORD, version, traceparents)


def test_the_lag_is_that_of_the_newest_commit() -> None:
    later = EPOCH + timedelta(seconds=5)
    joined = ReloadRequest(RECORD, 3, later).joined_with(ReloadRequest(RECORD, 2, EPOCH))
    assert joined.committed_at == later
