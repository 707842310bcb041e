"""What a doctor thinks of figures, and that it gets them from the real bus, store and process."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sightwire_indexer import findings
from sightwire_indexer.diagnosis import Diagnoser
from sightwire_indexer.process_limits import Usage
from sightwire_indexer.scanning import DamagedSegment, ScanResult

from services.indexer.tests.gate_world import RECORD, GateWorld
from services.indexer.tests.indexer_world import IndexerWorld
from sightwire.bus.dead_letters import DeadLetterCount, bury
from sightwire.bus.server_time import ClockOffset, measure_clock_offset
from sightwire.contracts import subjects
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.control import Finding
from sightwire.contracts.operations import Backup, OperationRecord, OperationState, Scan
from sightwire.contracts.schedules import ScheduleRecord, ScheduleSpec
from sightwire.contracts.streams import OPERATIONS, SCHEDULES
from sightwire.segments.merge_policy import MergePolicy, SegmentSize

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
POLICY = MergePolicy()
MIB = 1 << 20


def operation(command: Any, state: OperationState, *, days_ago: float = 1.0, **members: Any) -> OperationRecord:
    when = NOON - timedelta(days=days_ago)
    return OperationRecord(
        id=f"{command.kind}-{days_ago}",
        collection="photos",
        collection_uid="0",
        command=command,
        requested_by="test",
        state=state,
        created_at=when,
        updated_at=when,
        finished_at=when,
        **members,
    )


def segments(count: int, rows: int, deleted: int = 0) -> list[SegmentSize]:
    return [SegmentSize(str(number), rows, deleted) for number in range(count)]


@pytest.mark.parametrize(
    ("free", "status"),
    [(500, "ok"), (201, "ok"), (150, "warning"), (99, "problem")],
)
def test_a_disk_must_have_room_for_a_merge_and_had_better_have_it_for_a_rebuild(free: int, status: str) -> None:
    disk = findings.Disk("the blobs", free * MIB, 1000 * MIB)
    finding = findings.judge_disk(disk, largest_merge_bytes=100 * MIB, index_bytes=200 * MIB)
    assert finding.status == status
    assert f"{free}.0 MiB of 1000.0 MiB are free" in finding.detail
    assert bool(finding.advice) is (status != "ok")


def test_a_nearly_full_disk_is_a_problem_whatever_is_merged() -> None:
    disk = findings.Disk("the blobs", 2 * MIB, 100 * MIB)
    assert findings.judge_disk(disk, largest_merge_bytes=0, index_bytes=0).status == "problem"


def test_the_largest_merge_is_bounded_by_the_policy() -> None:
    assert findings.largest_merge_bytes([], 0, POLICY) == 0
    assert findings.largest_merge_bytes(segments(2, 1000), 4000, POLICY) == 4000
    assert findings.largest_merge_bytes(segments(4, 500_000), 4_000_000, POLICY) == 1_000_000


@pytest.mark.parametrize(
    ("sizes", "status"),
    [
        ([], "ok"),
        (segments(5, 1000), "ok"),
        (segments(4, 1000, deleted=500), "warning"),
        (segments(60, 1000), "warning"),
        (segments(400, 10), "problem"),
    ],
)
def test_segments_are_bounded_and_few_rows_deleted(sizes: list[SegmentSize], status: str) -> None:
    finding = findings.judge_segments(sizes, POLICY)
    assert finding.status == status, finding
    assert finding.detail.startswith(f"{len(sizes)} segments of ")


DAMAGED = ScanResult(
    scanned=("s1", "s2"),
    damaged=(DamagedSegment(segment="s2", items=7, generations=("g1", "g2"), damage=("items.arrow is gone",)),),
)


@pytest.mark.parametrize(
    ("operations", "age_days", "status", "words"),
    [
        ([], 3, "ok", "never scanned"),
        ([operation(Scan(), OperationState.FAILED)], 90, "warning", "never scanned"),
        ([operation(Scan(), OperationState.SUCCEEDED)], 90, "ok", "2026-05-31 12:00 UTC read 0 segments without"),
        ([operation(Scan(), OperationState.SUCCEEDED, days_ago=40)], 90, "warning", "2026-04-22"),
        (
            [
                operation(Scan(), OperationState.SUCCEEDED, days_ago=5),
                operation(Scan(), OperationState.SUCCEEDED, result=DAMAGED.model_dump(mode="json")),
            ],
            90,
            "problem",
            "1 damaged: s2 (7 items of g1, g2): items.arrow is gone",
        ),
    ],
)
def test_the_last_scan_counts(operations: list[OperationRecord], age_days: int, status: str, words: str) -> None:
    finding = findings.judge_scan(operations, created_at=NOON - timedelta(days=age_days), now=NOON)
    assert (finding.check, finding.status) == ("checksums", status)
    assert words in finding.detail


@pytest.mark.parametrize(
    ("count", "status"),
    [
        (DeadLetterCount(0, None), "ok"),
        (DeadLetterCount(2, NOON - timedelta(hours=1)), "warning"),
        (DeadLetterCount(2, NOON - timedelta(days=3)), "problem"),
    ],
)
def test_dead_letters_are_told_of(count: DeadLetterCount, status: str) -> None:
    assert findings.judge_dead_letters(count, now=NOON).status == status


@pytest.mark.parametrize(
    ("seconds", "uncertainty", "status"),
    [(0.2, 0.001, "ok"), (-3.0, 2.5, "ok"), (-3.0, 0.01, "warning"), (90.0, 0.01, "problem")],
)
def test_a_clock_is_wrong_only_if_that_is_sure(seconds: float, uncertainty: float, status: str) -> None:
    assert findings.judge_clock(ClockOffset(seconds, uncertainty)).status == status


@pytest.mark.parametrize(
    ("minutes", "status", "words"),
    [
        ([], "ok", "the newest 0"),
        ([-3, -2, -1], "ok", "the newest 3"),
        ([-3, -1, -2], "warning", "60.000 s older than the one before"),
        ([-3, 2], "warning", "will come in 120.0 s"),
    ],
)
def test_time_goes_on_from_manifest_to_manifest(minutes: list[int], status: str, words: str) -> None:
    times = [NOON + timedelta(minutes=minute) for minute in minutes]
    finding = findings.judge_manifest_times(times, now=NOON)
    assert finding.status == status
    assert words in finding.detail


@pytest.mark.parametrize(("used", "status"), [(10, "ok"), (71, "warning"), (91, "problem")])
def test_a_process_must_stay_clear_of_its_limits(used: int, status: str) -> None:
    finding = findings.judge_share("open files", "open files", Usage(used, 100), "raise it")
    assert (finding.status, finding.detail) == (status, f"{used} of 100 open files ({used}%)")


@pytest.mark.parametrize(
    ("operations", "status"),
    [
        ([], "ok"),
        ([operation(Backup(), OperationState.FAILED, days_ago=9)], "ok"),
        ([operation(Backup(), OperationState.FAILED), operation(Scan(), OperationState.SUCCEEDED)], "warning"),
        (
            [
                operation(Backup(), OperationState.SUCCEEDED, days_ago=1),
                operation(Backup(), OperationState.FAILED, days_ago=2),
            ],
            "ok",
        ),
    ],
)
def test_failures_are_told_of_until_it_works_again(operations: list[OperationRecord], status: str) -> None:
    assert findings.judge_operations(operations, now=NOON).status == status


async def test_the_bus_tells_its_time(world: IndexerWorld) -> None:
    offset = await measure_clock_offset(world.bus)
    assert abs(offset.seconds) <= offset.uncertainty + 0.1


async def test_a_diagnosis_sees_the_real_thing(
    world: IndexerWorld, make_record: Callable[..., CollectionRecord]
) -> None:
    index = await GateWorld.open(world.blobs, world.folder / "cache")
    for subject in (subjects.embedded("photos", "external"), subjects.ingest("photos"), subjects.ingest("others")):
        await bury(
            world.bus,
            original_subject=subject,
            payload=b"?",
            headers=None,
            service="test",
            code="invalid-input",
            reason="nonsense",
            original_sequence=1,
        )
    failed = operation(Backup(), OperationState.FAILED, error="the disk is full").model_copy(
        update={"updated_at": datetime.now(UTC)}
    )
    schedule = ScheduleRecord(
        name="nightly",
        collection="photos",
        collection_uid="0",
        spec=ScheduleSpec.model_validate({"command": {"kind": "scan"}, "cron": "0 3 * * *"}),
        created_at=NOON,
        paused="it failed 3 times",
    )
    await (await world.bus.bucket(OPERATIONS)).put(
        subjects.operation_key("photos", "1"), failed.model_dump_json().encode()
    )
    await (await world.bus.bucket(SCHEDULES)).put(
        subjects.schedule_key("photos", "nightly"), schedule.model_dump_json().encode()
    )
    diagnoser = Diagnoser(
        RECORD,
        index.writer,
        world.bus,
        world.blobs,
        work_dir=world.settings.indexer_work_dir,
        policy=POLICY,
        answered=lambda: RECORD,
    )
    by_check: dict[str, Finding] = {}
    for finding in (await diagnoser.diagnose()).findings:
        by_check.setdefault(finding.check, finding)
    assert list(by_check) == [
        "disk",
        "segments",
        "checksums",
        "operations",
        "schedules",
        "dead letters",
        "clock",
        "manifest times",
        "open files",
        "mapped regions",
        "memory",
        "index memory",
    ]
    assert "2 messages of this collection" in by_check["dead letters"].detail
    assert by_check["segments"].detail.startswith("2 segments of ")
    assert "backup at " in by_check["operations"].detail
    assert "the disk is full" in by_check["operations"].detail
    assert by_check["schedules"].detail == "paused: 'nightly': it failed 3 times"
    assert by_check["clock"].status == "ok"
    assert by_check["manifest times"].detail == "the newest 3 manifests are in the order of time"


async def test_a_look_that_fails_is_a_finding(world: IndexerWorld) -> None:
    index = await GateWorld.open(world.blobs, world.folder / "cache")
    diagnoser = Diagnoser(
        RECORD,
        index.writer,
        world.bus,
        world.blobs,
        work_dir=world.folder / "nowhere",
        policy=POLICY,
        answered=lambda: None,
    )
    (disk,) = [finding for finding in (await diagnoser.diagnose()).findings if finding.check == "disk"]
    assert disk.status == "warning"
    assert "it cannot be looked at" in disk.detail
