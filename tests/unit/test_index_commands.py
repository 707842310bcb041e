"""What `sightwire index`, `sightwire backup` and `sightwire doctor` print."""

from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from sightwire.byte_sizes import bytes_text
from sightwire.cli.doctor import finding_rows, summary_of
from sightwire.cli.index_output import field_rows, generation_rows, statistics_members
from sightwire.cli.index_schedule_output import calendar_rows, schedule_members, schedule_row
from sightwire.cli.main import app
from sightwire.cli.operation_output import (
    ProgressLine,
    damage_of,
    operation_members,
    operation_rows,
    print_report,
    progress_text,
)
from sightwire.cli.output import print_table
from sightwire.contracts.control import Finding, GenerationList
from sightwire.contracts.operations import OperationRecord, Progress
from sightwire.contracts.schedules import Calendar
from sightwire.contracts.statistics import IndexStatistics
from sightwire.contracts.validation import GateThresholds, ValidationReport

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def operation(**changes: Any) -> OperationRecord:
    members = {"command": {"kind": "rebuild"}, "requested_by": "api", "created_at": NOON, **changes}
    return OperationRecord.model_validate({"id": "op1", "collection": "demo", "collection_uid": "u", **members})


@pytest.mark.parametrize(
    ("progress", "text"),
    [
        (Progress(stage="starting"), "starting"),
        (Progress(stage="building", done=1200, total=5000, unit="vectors"), "building: 1,200 of 5,000 vectors (24%)"),
        (Progress(stage="reading", done=3, unit="segments"), "reading: 3 segments"),
        (Progress(stage="copying", done=1536, total=3072, unit="bytes"), "copying: 1.5 KiB of 3.0 KiB (50%)"),
    ],
)
def test_progress_is_told_in_a_line(progress: Progress, text: str) -> None:
    assert progress_text(progress) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (5 * 1024**2, "5.0 MiB"),
        (1024**3, "1.0 GiB"),
        (1024**5, "1024.0 TiB"),
    ],
)
def test_sizes(count: int, text: str) -> None:
    assert bytes_text(count) == text


def test_what_names_a_thing_is_never_cut(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    name = "20260501t120000-975e57dc"
    print_table(("backup", "collection", "items"), [(name, "a-collection-with-a-long-name", 12)])
    assert name in capsys.readouterr().out


def test_line_is_rewritten_on_a_terminal_and_stages_are_lines_elsewhere() -> None:
    steps = [
        operation(progress=Progress(stage=stage, done=done, total=2, unit="vectors"))
        for stage, done in (("building", 1), ("building", 2), ("validating", 0))
    ]
    for is_terminal, lines in ((True, 0), (False, 2)):
        shown = StringIO()
        line = ProgressLine(Console(file=shown, force_terminal=is_terminal, width=80))
        for step in steps:
            line.show(step)
        line.clear()
        assert shown.getvalue().count("\n") == lines
        assert ("\r\x1b[2K" in shown.getvalue()) == is_terminal


def test_operations_are_rows() -> None:
    ended = operation(state="failed", error="recall 0.3", finished_at=NOON + timedelta(seconds=2))
    running = operation(progress=Progress(stage="building"))
    assert [row[-1] for row in operation_rows([ended, running])] == ["recall 0.3", "building"]
    assert operation_members(ended)["took"] == "2.0 s"
    assert "report" not in operation_members(operation(state="succeeded", result={"report": "a/b", "generation": "g2"}))


REPORT = ValidationReport.model_validate(
    {
        "collection": "demo",
        "generation": "g2",
        "live_generation": "g1",
        "manifest_version": 3,
        "created_at": NOON,
        "thresholds": GateThresholds(),
        "gates": [
            {"gate": "count", "passed": True, "summary": "10 items, as many as live"},
            {
                "gate": "recall",
                "passed": False,
                "summary": "0.412 where 0.95 is wanted",
                "failures": ["image of 'a': found [red] of 10"],
            },
        ],
    }
)


def test_failed_gates_say_which_query_failed_how(capsys: pytest.CaptureFixture[str]) -> None:
    print_report(REPORT)
    printed = capsys.readouterr().out
    for part in ("passed", "FAILED", "0.412 where 0.95", "found [red] of 10"):
        assert part in printed


DAMAGED = operation(
    command={"kind": "scan"},
    state="succeeded",
    result={
        "scanned": ["s1", "s2"],
        "bytes": 10,
        "damaged": [{"segment": "s1", "items": 1500, "generations": ["g1", "g2"], "damage": ["vectors.bin differs"]}],
    },
)


def test_damage_is_told_by_segment() -> None:
    assert damage_of(DAMAGED) == ["segment s1 (1,500 items, in g1, g2): vectors.bin differs"]
    assert operation_members(DAMAGED)["scanned"] == "2"
    assert damage_of(operation()) == []


def test_problems_come_first() -> None:
    found = [
        ("platform", Finding(check="dead letters", status="ok", detail="none")),
        ("demo", Finding(check="searchers", status="warning", detail="behind", advice="look")),
        ("demo", Finding(check="disk", status="problem", detail="full", advice="free some")),
    ]
    assert [row[0] for row in finding_rows(found)] == ["PROBLEM", "warning", "ok"]


STATISTICS = IndexStatistics.model_validate(
    {
        "collection": "demo",
        "generation": "g2",
        "manifest_version": 7,
        "items": 1000,
        "deleted_items": 20,
        "tombstones": 0,
        "checkpoint": 9,
        "segments": 3,
        "disk_bytes": 2048,
        "resident_bytes": 1024,
        "text_bytes": 10,
        "fields": [
            {
                "field": "image",
                "vectors": 1000,
                "dimension": 4,
                "metric": "cosine",
                "kinds": [
                    {"kind": "hnsw_sq", "segments": 1, "vectors": 900},
                    {"kind": "flat", "segments": 2, "vectors": 100},
                ],
                "index_bytes": 500,
                "mapped_vector_bytes": 16000,
                "resident_bytes": 6000,
                "resident_bytes_per_vector": 6.0,
                "raw_bytes_per_vector": 16,
            },
            {
                "field": "text",
                "vectors": 0,
                "dimension": 4,
                "metric": "cosine",
                "kinds": [],
                "index_bytes": 0,
                "mapped_vector_bytes": 0,
                "resident_bytes": 0,
                "resident_bytes_per_vector": 0.0,
                "raw_bytes_per_vector": 16,
            },
        ],
        "largest_segments": [],
    }
)


def test_statistics_show_memory_for_each_vector_and_its_ratio_to_raw() -> None:
    image, text = field_rows(STATISTICS)
    assert image[4] == "hnsw_sq (900 in 1), flat (100 in 2)"
    assert image[-3:] == ("6 B", "16 B", "0.38")
    assert text[-3:] == (None, "16 B", None)
    assert statistics_members(STATISTICS)["generation"] == "g2 (manifest 7)"
    assert statistics_members(STATISTICS)["searcher"] is None


def test_generations_show_how_they_came_through_the_gates() -> None:
    generation = {
        "space": "external",
        "index": {"type": "hnsw_sq"},
        "created_at": NOON.isoformat(),
        "items": 3,
        "segments": 1,
        "disk_bytes": 10,
        "reason": "rebuild",
    }
    kept = GenerationList.model_validate(
        {
            "collection": "demo",
            "live": "g1",
            "manifest_version": 3,
            "generations": [
                {**generation, "name": "g1", "state": "live"},
                {**generation, "name": "g2", "state": "failed", "validated": False},
            ],
        }
    )
    assert [row[:4] for row in generation_rows(kept)] == [
        ("g1", "live", None, "hnsw_sq"),
        ("g2", "failed", "FAILED", "hnsw_sq"),
    ]


CALENDAR = Calendar.model_validate(
    {
        "schedule": {
            "name": "nightly",
            "collection": "demo",
            "collection_uid": "u",
            "spec": {
                "cron": "30 3 * * *",
                "time_zone": "Europe/Berlin",
                "command": {"kind": "backup"},
                "jitter_seconds": 5,
            },
            "created_at": NOON,
            "consecutive_failures": 2,
            "runs": [
                {
                    "due_at": NOON,
                    "started_at": NOON,
                    "finished_at": NOON + timedelta(seconds=3),
                    "outcome": "failed",
                    "reason": "disk full",
                },
            ],
        },
        "upcoming": ["2026-05-02T03:30:00+02:00"],
    }
)


def test_calendar_has_past_and_next_runs() -> None:
    past, coming = calendar_rows(CALENDAR)
    assert past[1:] == ("failed", "cron", "3.0 s", "disk full")
    assert coming[:2] == ("2026-05-02 03:30:00+02:00", "due")
    members = schedule_members(CALENDAR.schedule)
    assert (members["does"], members["jitter"]) == ({"kind": "backup"}, "5 s")
    assert members["failures"] == "2 in a row of at most 3"
    assert schedule_row(CALENDAR.schedule)[:4] == ("nightly", "30 3 * * *", "Europe/Berlin", "backup")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["index", "schedule", "put", "demo", "x", "--cron", "* * * * *", "--do", "scan", "--with", "[1]"],
            "JSON object",
        ),
        (["index", "rebuild", "demo", "--gates", "no-such-file"], "does not exist"),
        (["index", "rebuild", "demo", "--type", "tree"], "hnsw_sq"),
        (["backup", "prune", "--keep", "0"], "1"),
    ],
)
def test_wrong_options_are_usage_errors(arguments: list[str], message: str) -> None:
    answer = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    assert answer.exit_code == 2
    assert message in " ".join(answer.output.split())


def test_a_doctor_counts_what_is_fine() -> None:
    fine, bad = (Finding(check="disk", status=status, detail="") for status in ("ok", "problem"))
    found = [("platform", fine), ("demo", bad), ("demo", fine)]
    assert summary_of(found) == "2 of 3 checks are fine (platform, demo); --all lists them"
