"""What a doctor finds about the machine of a platform that runs here: processes, open files, disk, clock."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sightwire.contracts.control import Finding
from sightwire.platform.data_directory import PlatformInfo, ProcessInfo
from sightwire.platform.readiness import why_not_ready

#: A searcher and an indexer hold a dozen files for each segment.
FEW_FILES: Final = 4096
_LOW_SHARE: Final = 0.1
_LOW_BYTES: Final = 5 * 1024**3
_FULL_BYTES: Final = 512 * 1024**2
_GIBIBYTE: Final = 1024**3
_CLOCK_SECONDS: Final = 5.0


async def check_machine(info: PlatformInfo) -> list[Finding]:
    """Looks at the machine of a running platform."""
    usage = shutil.disk_usage(info.data_directory)
    return [
        *[await _process_finding(process) for process in info.processes],
        *_open_file_findings(info),
        disk_finding(info.data_directory, usage.free, usage.total),
        clock_finding(datetime.fromisoformat(info.started_at), datetime.now(UTC)),
    ]


def open_files_finding(name: str, limit: int) -> Finding:
    """How many files a process may have open."""
    check = f"open files of {name}"
    if limit >= FEW_FILES:
        return Finding(check=check, status="ok", detail=f"at most {limit}")
    return Finding(
        check=check,
        status="warning",
        detail=f"at most {limit}",
        advice=f"raise the limit to {FEW_FILES} or more before starting (ulimit -n): each segment takes a dozen",
    )


def disk_finding(folder: str, free_bytes: int, total_bytes: int) -> Finding:
    """How much room there is beside a data directory."""
    detail = f"{free_bytes / _GIBIBYTE:.1f} of {total_bytes / _GIBIBYTE:.1f} GiB free for {folder}"
    if free_bytes >= min(_LOW_BYTES, total_bytes * _LOW_SHARE):
        return Finding(check="disk", status="ok", detail=detail)
    return Finding(
        check="disk",
        status="problem" if free_bytes < _FULL_BYTES else "warning",
        detail=detail,
        advice="free some: the bus refuses items when it cannot store them, and a rebuild needs the index's size again",
    )


def clock_finding(started_at: datetime, now: datetime) -> Finding:
    """Whether the clock has gone back since the platform was started."""
    if (started_at - now).total_seconds() <= _CLOCK_SECONDS:
        return Finding(check="clock", status="ok", detail=now.astimezone().isoformat(sep=" ", timespec="seconds"))
    return Finding(
        check="clock",
        status="problem",
        detail=f"it shows {now.isoformat()}, but the platform was started at {started_at.isoformat()}",
        advice="set the clock and keep it by NTP: schedules, leases and ages of backups go by it",
    )


async def _process_finding(process: ProcessInfo) -> Finding:
    check = f"process {process.name}"
    problem = await why_not_ready(process.operations_url) if process.operations_url is not None else None
    if process.state == "ready" and problem is None:
        return Finding(check=check, status="ok", detail=f"ready, {process.restarts} restart(s)")
    return Finding(
        check=check,
        status="problem",
        detail=f"{process.state}: {problem or 'not ready'}",
        advice=f"look at its log: {process.log}" if process.log else "look at its log",
    )


def _open_file_findings(info: PlatformInfo) -> Iterator[Finding]:
    for process in info.processes:
        limit = _open_file_limit(process.pid) if process.pid is not None else None
        if limit is not None:
            yield open_files_finding(process.name, limit)


def _open_file_limit(pid: int) -> int | None:
    """Files that a process may have open; None where the system does not tell, or the process is gone."""
    try:
        limits = Path(f"/proc/{pid}/limits").read_text(encoding="ascii")
    except OSError:
        return None
    line = next(line for line in limits.splitlines() if line.startswith("Max open files"))
    soft = line.split()[3]
    return int(soft) if soft.isdigit() else FEW_FILES
