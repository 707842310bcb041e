"""What the indexer decides without any server: positions in the log, failures, horizons, folders, buffers, decoding."""

import asyncio
import json
import re
from datetime import UTC, datetime

import pytest
from sightwire_indexer.commit_buffer import BufferLimits, CommitBuffer, PendingMessage
from sightwire_indexer.decoding import DecodedBatch, IndexTarget, Rejection, decode_batch
from sightwire_indexer.log_position import (
    LogMismatchError,
    StreamState,
    check_position,
    new_index_checkpoint,
    starting_point,
)
from sightwire_indexer.ownership import NextStep, after_failure, describe_failure
from sightwire_indexer.removal import folders_of_collection
from sightwire_indexer.statuses import rejection_status
from sightwire_indexer.tombstone_horizon import TombstoneHorizon

from services.indexer.tests.indexer_world import collection_record, embedded_batch, embedded_item
from sightwire.errors import ConflictError, CorruptDataError, UnavailableError
from sightwire.segments.manifest import Checkpoint, Manifest
from sightwire.segments.outcomes import ItemOutcome
from sightwire.segments.resolution import Change
from sightwire.segments.schema import SegmentSchema
from sightwire.v1 import embedder_pb2, events_pb2

CREATED = datetime(2026, 1, 1, tzinfo=UTC)
RECREATED = datetime(2026, 2, 2, tzinfo=UTC)
RECORD = collection_record("things")


@pytest.mark.parametrize(
    ("created_at", "first", "last", "problem"),
    [
        pytest.param(CREATED, 1, 10, None, id="nothing new"),
        pytest.param(CREATED, 1, 50, None, id="new messages"),
        pytest.param(CREATED, 11, 50, None, id="the old ones are gone"),
        pytest.param(CREATED, 11, 10, None, id="all are gone, none was missed"),
        pytest.param(RECREATED, 1, 50, "created at", id="another stream"),
        pytest.param(CREATED, 1, 9, "ends at 9", id="went backwards"),
        pytest.param(CREATED, 12, 50, "begins at 12", id="removed before they were read"),
    ],
)
def test_a_stream_that_would_skip_items_is_noticed(created_at: datetime, first: int, last: int, problem: str | None):
    checkpoint = Checkpoint(sequence=10, stream_created_at=CREATED)
    if problem is None:
        check_position("things", checkpoint, StreamState(created_at, first, last))
        return
    with pytest.raises(LogMismatchError, match=problem):
        check_position("things", checkpoint, StreamState(created_at, first, last))


def manifest(checkpoint: int, announced: int) -> Manifest:
    return Manifest(
        version=3,
        collection="things",
        collection_uid=RECORD.uid,
        generation="g1",
        space="external",
        created_at=CREATED,
        checkpoint=Checkpoint(sequence=checkpoint, stream_created_at=CREATED),
        announced_sequence=announced,
    )


@pytest.mark.parametrize(
    ("checkpoint", "announced", "first", "start"),
    [
        pytest.param(10, 10, 1, 10, id="all were told"),
        pytest.param(10, 6, 1, 6, id="some were not told"),
        pytest.param(10, 6, 9, 8, id="the stream has forgotten some of those"),
        pytest.param(10, 6, 11, 10, id="the stream has forgotten all of those"),
    ],
)
def test_reading_begins_where_items_were_not_told(checkpoint: int, announced: int, first: int, start: int):
    found = starting_point(manifest(checkpoint, announced), StreamState(CREATED, first, 50))
    assert found.sequence == start


@pytest.mark.parametrize(("first", "last", "start"), [(0, 0, 0), (1, 9, 0), (5, 9, 4), (10, 9, 9)])
def test_a_new_index_begins_with_the_first_message_there_is(first: int, last: int, start: int):
    assert new_index_checkpoint(StreamState(CREATED, first, last)).sequence == start


@pytest.mark.parametrize(
    ("error", "step"),
    [
        (UnavailableError("bus"), NextStep.RETRY),
        (RuntimeError("bug"), NextStep.RETRY),
        (ConflictError("fenced"), NextStep.STAND_BY),
        (CorruptDataError("segment"), NextStep.STOP),
        (LogMismatchError("stream"), NextStep.STOP),
        (BaseExceptionGroup("", [RuntimeError("bug"), ConflictError("fenced")]), NextStep.STAND_BY),
        (BaseExceptionGroup("", [ConflictError("fenced"), CorruptDataError("segment")]), NextStep.STOP),
    ],
)
def test_the_gravest_failure_decides(error: BaseException, step: NextStep):
    assert after_failure(error) is step


def test_failures_are_described_in_their_own_words():
    group = BaseExceptionGroup("", [ConflictError("fenced"), ValueError("x")])
    assert describe_failure(group) == "fenced; ValueError('x')"


def test_tombstones_are_kept_until_the_grace_is_over_and_the_index_has_caught_up():
    horizon = TombstoneHorizon(grace_seconds=100)
    assert horizon.safe_version("photos", 10**9) == 0
    horizon.observe(0, first_waiting_version=8, embedded_sequence=20)
    assert horizon.safe_version("photos", 10**9) == 0
    horizon.observe(60, first_waiting_version=50, embedded_sequence=70)
    horizon.observe(110, first_waiting_version=90, embedded_sequence=99)
    assert horizon.safe_version("photos", 19) == 0, "the index has not read all that was embedded by then"
    assert horizon.safe_version("photos", 20) == 7
    horizon.observe(160, first_waiting_version=95, embedded_sequence=99)
    assert horizon.safe_version("photos", 70) == 49


def test_tombstones_are_kept_while_items_of_any_version_may_come_from_another_index():
    horizon = TombstoneHorizon(grace_seconds=10)
    horizon.observe(0, first_waiting_version=8, embedded_sequence=20, reembedding=frozenset({"photos"}))
    horizon.observe(10, first_waiting_version=50, embedded_sequence=70)
    assert horizon.safe_version("photos", 100) == 0, "items waited in REEMBED"
    assert horizon.safe_version("others", 100) == 7
    assert horizon.safe_version("others", 100, alone_since=None) == 0
    horizon.observe(20, first_waiting_version=90, embedded_sequence=99)
    assert horizon.safe_version("photos", 100, alone_since=11) == 0, "what was seen before counts for nothing"
    assert horizon.safe_version("photos", 100, alone_since=10) == 49


@pytest.mark.parametrize(
    ("keep_uid", "expected"),
    [
        (None, ["indexes/photos-0a1b", "indexes/photos-ffff"]),
        ("ffff", ["indexes/photos-0a1b"]),
    ],
)
def test_only_incarnations_of_the_name_itself_are_removed(keep_uid: str | None, expected: list[str]):
    folders = [
        "indexes/photos-0a1b",
        "indexes/photos-ffff",
        "indexes/photos-old-0a1b",
        "indexes/photosets-0a1b",
        "indexes/x",
    ]
    assert folders_of_collection(folders, "photos", keep_uid=keep_uid) == expected


@pytest.mark.parametrize(
    ("known", "state", "version"),
    [
        (None, "failed", 5),
        (ItemOutcome("a", 4, deleted=False, objects=0), "failed", 5),
        (ItemOutcome("a", 9, deleted=False, objects=2), "searchable", 9),
        (ItemOutcome("a", 9, deleted=True, objects=0), "deleted", 9),
    ],
)
def test_a_refused_item_failed_unless_a_newer_version_is_there(known: ItemOutcome | None, state: str, version: int):
    status = rejection_status("photos", 10, Rejection("a", 5, "why"), known)
    assert (status.state, status.version) == (state, version)


def pending(sequence: int, items: int = 1, size: int = 10) -> PendingMessage:
    return PendingMessage(sequence, size, [Change(f"{sequence}-{number}", 1, None) for number in range(items)])


async def test_what_waits_is_taken_at_once_when_the_last_commit_is_long_ago():
    buffer = CommitBuffer(BufferLimits(max_items=10, max_bytes=1000, commit_seconds=60))
    await buffer.add(pending(1))
    await buffer.add(pending(2))
    now = asyncio.get_running_loop().time()
    assert [message.sequence for message in await buffer.take(now - 61)] == [1, 2]
    assert buffer.items == 0


@pytest.mark.parametrize("filler", [pending(2, items=9), pending(2, size=990)], ids=["items", "bytes"])
async def test_a_full_buffer_is_taken_without_waiting_and_holds_the_reader_back(filler: PendingMessage):
    buffer = CommitBuffer(BufferLimits(max_items=10, max_bytes=1000, commit_seconds=60))
    await buffer.add(pending(1))
    now = asyncio.get_running_loop().time()
    taking = asyncio.create_task(buffer.take(now))
    await asyncio.wait([taking], timeout=0.05)
    assert not taking.done(), "it is not full, and nothing is due"
    await buffer.add(filler)
    assert buffer.is_full
    reading = asyncio.create_task(buffer.wait_for_room())
    async with asyncio.timeout(5):
        assert len(await taking) == 2
        await reading


async def test_closing_hands_over_what_is_left_and_then_nothing():
    buffer = CommitBuffer(BufferLimits(max_items=10, max_bytes=1000, commit_seconds=60))
    await buffer.add(pending(1))
    now = asyncio.get_running_loop().time()
    await buffer.close()
    async with asyncio.timeout(5):
        assert len(await buffer.take(now)) == 1
        assert await buffer.take(now) == []


TARGET = IndexTarget(RECORD.name, RECORD.uid, RECORD.space, SegmentSchema.from_record(RECORD))


def decode(*items: events_pb2.EmbeddedItem) -> DecodedBatch:
    return decode_batch(embedded_batch(RECORD, items).SerializeToString(), TARGET)


def test_an_item_becomes_its_public_document_and_columns():
    detection = embedder_pb2.Detection(x1=1, y1=2, x2=3, y2=4, class_id=15, class_name="cat", confidence=0.5)
    picture = events_pb2.Picture(
        blob="pictures/ab/abc",
        sha256="ab" * 32,
        media_type="image/png",
        filename="c.png",
        width=10,
        height=20,
        bytes=30,
    )
    batch = decode(
        embedded_item(
            "a",
            7,
            text="hi",
            tags=["x"],
            metadata=b'{"price":2}',
            picture=picture,
            objects=[detection],
            traceparent="t",
        )
    )
    (change,) = batch.changes
    assert change.item is not None
    assert json.loads(change.item.document) == {
        "id": "a",
        "version": 7,
        "time": "2026-01-02T03:04:05.600000Z",
        "tags": ["x"],
        "metadata": {"price": 2},
        "text": "hi",
        "image": {
            "blob": "pictures/ab/abc",
            "sha256": "ab" * 32,
            "media_type": "image/png",
            "filename": "c.png",
            "width": 10,
            "height": 20,
            "bytes": 30,
        },
        "objects": [
            {
                "bbox": {"x1": 1.0, "y1": 2.0, "x2": 3.0, "y2": 4.0},
                "class_id": 15,
                "class_name": "cat",
                "confidence": 0.5,
            }
        ],
    }
    assert change.item.metadata == {"price": 2.0}
    assert change.item.time == 1_767_323_045_600_000
    assert batch.traceparents == ["t"]


def test_a_deletion_carries_nothing():
    assert decode(embedded_item("a", 7, deleted=True)).changes == [Change("a", 7, None)]


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (embedded_item("", 1), "item_id"),
        (embedded_item("a", 0), "version"),
        (embedded_item("a", 2**63), "version"),
        (embedded_item("a", 1, metadata=b"{"), "not JSON"),
        (embedded_item("a", 1, metadata=b"[]"), "JSON object"),
        (embedded_item("a", 1, metadata=b'{"price":"x"}'), "price"),
        (embedded_item("a", 1, vector=[0.0] * 8), "not all zero"),
        (embedded_item("a", 1, vector=[float("inf")] * 8), "finite"),
        (embedded_item("a", 1, vector=[1.0] * 9), r"needs 1 vector\(s\) of 8"),
        (
            embedded_item("a", 1, vectors=[events_pb2.FieldVectors(field="other")]),
            "unknown field 'other'",
        ),
    ],
)
def test_what_cannot_be_indexed_is_refused_alone(item: events_pb2.EmbeddedItem, reason: str):
    batch = decode(embedded_item("before", 1), item, embedded_item("after", 2))
    assert [change.id for change in batch.changes] == ["before", "after"]
    (rejection,) = batch.rejections
    assert re.search(reason, rejection.reason)
    assert list(events_pb2.EmbeddedBatch.FromString(batch.rejected_payload).items) == [item]
