"""What a doctor thinks of a machine."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sightwire.platform.data_directory import PlatformInfo, ProcessInfo
from sightwire.platform.machine_checks import FEW_FILES, check_machine, clock_finding, disk_finding, open_files_finding

GIBIBYTE = 1024**3
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("free", "total", "status"),
    [
        (50 * GIBIBYTE, 100 * GIBIBYTE, "ok"),
        (6 * GIBIBYTE, 1000 * GIBIBYTE, "ok"),
        (4 * GIBIBYTE, 1000 * GIBIBYTE, "warning"),
        # A tenth of a small disk is enough.
        (2 * GIBIBYTE, 10 * GIBIBYTE, "ok"),
        (GIBIBYTE // 4, 100 * GIBIBYTE, "problem"),
    ],
)
def test_disk(free: int, total: int, status: str) -> None:
    finding = disk_finding("data", free, total)
    assert finding.status == status
    assert bool(finding.advice) == (status != "ok")


@pytest.mark.parametrize(("limit", "status"), [(FEW_FILES, "ok"), (1024, "warning")])
def test_open_files(limit: int, status: str) -> None:
    assert open_files_finding("searcher", limit).status == status


@pytest.mark.parametrize(("seconds", "status"), [(3600, "ok"), (0, "ok"), (-2, "ok"), (-3600, "problem")])
def test_clock(seconds: float, status: str) -> None:
    assert clock_finding(NOON, NOON + timedelta(seconds=seconds)).status == status


async def test_machine_of_a_platform_whose_process_does_not_answer(tmp_path: Path) -> None:
    info = PlatformInfo(
        version="1",
        supervisor_pid=os.getpid(),
        started_at=datetime.now(UTC).isoformat(),
        data_directory=str(tmp_path),
        gateway_url="http://127.0.0.1:9",
        nats_url="nats://127.0.0.1:9",
        processes=(ProcessInfo(name="searcher", pid=os.getpid(), state="ready", operations_url="http://127.0.0.1:9"),),
    )
    found = {finding.check: finding for finding in await check_machine(info)}
    assert found["process searcher"].status == "problem"
    assert found["clock"].status == "ok"
    assert set(found) >= {"disk", "open files of searcher"}
