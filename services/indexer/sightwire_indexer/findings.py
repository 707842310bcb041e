"""What to think of the figures that a diagnosis has gathered: pure decisions, one per subject."""

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from sightwire.bus.dead_letters import DeadLetterCount
from sightwire.bus.server_time import ClockOffset
from sightwire.byte_sizes import bytes_text
from sightwire.contracts.control import Finding
from sightwire.contracts.operations import OperationRecord, OperationState
from sightwire.contracts.schedules import ScheduleRecord
from sightwire.segments.merge_policy import MergePolicy, SegmentSize
from sightwire_indexer.process_limits import Usage
from sightwire_indexer.scanning import ScanResult

Status = Literal["ok", "warning", "problem"]

_LOW_DISK_SHARE: Final = 0.1
_VERY_LOW_DISK_SHARE: Final = 0.03
_HIGH_SHARE: Final = 0.7
_VERY_HIGH_SHARE: Final = 0.9
_SCAN_AGE: Final = timedelta(days=30)
_OLD_LETTER: Final = timedelta(days=1)
_FAILURES_OF: Final = timedelta(days=7)
_WRONG_CLOCK_SECONDS: Final = 1.0
_VERY_WRONG_CLOCK_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Disk:
    """The file system of a folder, in bytes."""

    name: str
    free: int
    total: int


def judge_disk(disk: Disk, *, largest_merge_bytes: int, index_bytes: int) -> Finding:
    """Whether the next large merge and a rebuild fit.

    Args:
        largest_merge_bytes: what the largest merge to be expected writes before its sources go; 0 where none is made.
        index_bytes: what a rebuild writes; 0 where none is.
    """
    share = disk.free / max(disk.total, 1)
    detail = (
        f"{bytes_text(disk.free)} of {bytes_text(disk.total)} are free ({share:.0%}) where {disk.name} lie; the "
        f"largest merge needs up to {bytes_text(largest_merge_bytes)}, a rebuild {bytes_text(index_bytes)}"
    )
    if disk.free < largest_merge_bytes or share < _VERY_LOW_DISK_SHARE:
        return Finding(check="disk", status="problem", detail=detail, advice="free space, or merges will fail")
    if disk.free < index_bytes or share < _LOW_DISK_SHARE:
        return Finding(
            check="disk", status="warning", detail=detail, advice="free space, or keep fewer generations, soon"
        )
    return Finding(check="disk", status="ok", detail=detail)


def largest_merge_bytes(segments: Sequence[SegmentSize], disk_bytes: int, policy: MergePolicy) -> int:
    """What the largest merge to be expected writes, by the bytes that a row takes now."""
    rows = sum(segment.rows for segment in segments)
    live = sum(segment.live for segment in segments)
    return math.ceil(disk_bytes / rows * min(live, policy.max_rows)) if rows else 0


def judge_segments(segments: Sequence[SegmentSize], policy: MergePolicy) -> Finding:
    """Whether merges keep up."""
    rows = sum(segment.rows for segment in segments)
    live = sum(segment.live for segment in segments)
    deleted_share = sum(segment.deleted for segment in segments) / rows if rows else 0.0
    backlog = len(policy.merges(segments))
    tiers = math.floor(math.log(max(live, 1), policy.segments_per_tier)) + 1
    expected = (policy.segments_per_tier - 1) * tiers + live // policy.max_rows
    detail = (
        f"{len(segments)} segments of {live} items, up to {expected} are normal; {deleted_share:.0%} of the rows are "
        f"deleted; {backlog} merges are due"
    )
    if len(segments) > 3 * expected:
        advice = "merges do not keep up: see the indexer's log for failed ones, and give it more CPU"
        return Finding(check="segments", status="problem", detail=detail, advice=advice)
    if len(segments) > 1.5 * expected or deleted_share > policy.max_deleted_share:
        advice = "merges are behind; if this stays, give the indexer more CPU, or rebuild the index"
        return Finding(check="segments", status="warning", detail=detail, advice=advice)
    return Finding(check="segments", status="ok", detail=detail)


def judge_scan(operations: Iterable[OperationRecord], *, created_at: datetime, now: datetime) -> Finding:
    """What the last scan found, and how long ago.

    Args:
        created_at: when the collection was made.
    """
    scans = [
        record
        for record in operations
        if record.command.kind == "scan" and record.state is OperationState.SUCCEEDED and record.finished_at is not None
    ]
    last = max(scans, key=lambda record: record.finished_at or created_at, default=None)
    if last is None:
        is_new = now - created_at < _SCAN_AGE
        return Finding(
            check="checksums",
            status="ok" if is_new else "warning",
            detail="the segments were never scanned",
            advice="" if is_new else "start a scan, or schedule one",
        )
    result = ScanResult.model_validate(last.result)
    assert last.finished_at is not None
    detail = f"the scan of {last.finished_at:%Y-%m-%d %H:%M} UTC read {len(result.scanned)} segments"
    if result.damaged:
        named = "; ".join(
            f"{segment.segment} ({segment.items} items of {', '.join(segment.generations)}): {segment.damage[0]}"
            for segment in result.damaged[:5]
        )
        advice = "switch to a generation without them, or restore a backup; then look at the disk"
        detail = f"{detail}, {len(result.damaged)} damaged: {named}"
        return Finding(check="checksums", status="problem", detail=detail, advice=advice)
    if now - last.finished_at > _SCAN_AGE:
        return Finding(check="checksums", status="warning", detail=detail, advice="start a scan, or schedule one")
    return Finding(check="checksums", status="ok", detail=f"{detail} without a defect")


def judge_dead_letters(count: DeadLetterCount, *, now: datetime) -> Finding:
    """Whether messages wait in the dead-letter queue."""
    if not count.letters:
        return Finding(check="dead letters", status="ok", detail="the dead-letter queue has none of this collection")
    detail = f"{count.letters} messages of this collection can never be processed"
    if count.oldest is not None:
        detail += f", the oldest since {count.oldest:%Y-%m-%d %H:%M} UTC"
    is_old = count.oldest is not None and now - count.oldest > _OLD_LETTER
    return Finding(
        check="dead letters",
        status="problem" if is_old else "warning",
        detail=detail,
        advice="`sightwire dlq list` tells why; replay or purge them",
    )


def judge_clock(offset: ClockOffset) -> Finding:
    """Whether this machine and the bus agree on the time."""
    detail = f"the bus's clock is {offset.seconds:+.3f} s off, give or take {offset.uncertainty:.3f} s"
    surely = abs(offset.seconds) - offset.uncertainty
    if surely > _WRONG_CLOCK_SECONDS:
        status: Status = "problem" if surely > _VERY_WRONG_CLOCK_SECONDS else "warning"
        return Finding(check="clock", status=status, detail=detail, advice="synchronise both clocks (NTP)")
    return Finding(check="clock", status="ok", detail=detail)


def judge_manifest_times(times: Sequence[datetime], *, now: datetime) -> Finding:
    """Whether time went on from manifest to manifest; `times` are by version, ascending."""
    check = "manifest times"
    backwards = [(before - after).total_seconds() for before, after in itertools.pairwise(times)]
    worst = max(backwards, default=0.0)
    if worst > 0:
        detail = f"a manifest is {worst:.3f} s older than the one before it: the clock was put back"
        return Finding(
            check=check, status="warning", detail=detail, advice="synchronise the clocks of all indexers (NTP)"
        )
    ahead = (times[-1] - now).total_seconds() if times else 0.0
    if ahead > _WRONG_CLOCK_SECONDS:
        detail = f"the newest manifest is of a time that will come in {ahead:.1f} s"
        advice = "synchronise the clocks of all indexers (NTP); nothing is collected until that time has come"
        return Finding(check=check, status="warning", detail=detail, advice=advice)
    return Finding(check=check, status="ok", detail=f"the newest {len(times)} manifests are in the order of time")


def judge_share(check: str, what: str, usage: Usage, advice: str) -> Finding:
    """Whether something comes near its limit."""
    share = usage.used / max(usage.limit, 1)
    status: Status = "problem" if share > _VERY_HIGH_SHARE else "warning" if share > _HIGH_SHARE else "ok"
    detail = f"{usage.used:,} of {usage.limit:,} {what} ({share:.0%})"
    return Finding(check=check, status=status, detail=detail, advice="" if status == "ok" else advice)


def judge_operations(operations: Iterable[OperationRecord], *, now: datetime) -> Finding:
    """Which kinds of operations failed lately, and did not succeed since."""
    last: dict[str, OperationRecord] = {}
    for record in sorted(operations, key=lambda record: record.created_at):
        if record.state in (OperationState.SUCCEEDED, OperationState.FAILED):
            last[record.command.kind] = record
    failed = [
        record
        for record in last.values()
        if record.state is OperationState.FAILED and now - record.updated_at <= _FAILURES_OF
    ]
    if not failed:
        return Finding(check="operations", status="ok", detail=f"none failed in the last {_FAILURES_OF.days} days")
    detail = "; ".join(
        f"{record.command.kind} at {record.updated_at:%Y-%m-%d %H:%M} UTC: {record.error}" for record in failed
    )
    return Finding(
        check="operations", status="warning", detail=detail, advice="mend the cause, and start the operation again"
    )


def judge_schedules(schedules: Sequence[ScheduleRecord]) -> Finding:
    """Which schedules do not run by themselves."""
    paused = [f"{record.name!r}: {record.paused}" for record in schedules if record.paused is not None]
    if paused:
        advice = "`sightwire index schedule resume` once the cause is mended"
        return Finding(check="schedules", status="warning", detail=f"paused: {'; '.join(paused)}", advice=advice)
    return Finding(check="schedules", status="ok", detail=f"{len(schedules)} schedules, none is paused")


def unknown(check: str, error: Exception) -> Finding:
    """The finding of a look that failed."""
    return Finding(
        check=check,
        status="warning",
        detail=f"it cannot be looked at: {error or repr(error)}",
        advice="look at the service that is named",
    )
