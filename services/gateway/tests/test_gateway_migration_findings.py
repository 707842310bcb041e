"""What the doctor thinks of migrations."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sightwire_gateway.migration_findings import Backlog, MigrationSigns, migration_findings, orphan_finding

from services.gateway.tests.conftest import make_record
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.embedding_models import EmbedderAnnouncement
from sightwire.contracts.migrations import Filling, Migration, MigrationState
from sightwire.contracts.models import ModelId
from sightwire.contracts.pipeline_control import RunReport
from sightwire.contracts.pipelines import PipelineRunState

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
SHADOW = "photos--1"
SPACE = "new-2"


def ago(**time: float) -> datetime:
    return NOON - timedelta(**time)


def migration(state: MigrationState, **members: Any) -> Migration:
    return Migration(
        **{
            "collection": "photos",
            "collection_uid": "uid1",
            "shadow": SHADOW,
            "source": "photos",
            "model": ModelId(name="new", version="2"),
            "space": SPACE,
            "run": "r1",
            "state": state,
            "started_at": ago(days=1),
            **members,
        }
    )


def run(state: PipelineRunState, ended_at: datetime | None = None) -> RunReport:
    return RunReport(
        run="r1",
        pipeline="migrate-collection",
        version="1",
        state=state,
        parameters={},
        tasks=(),
        results={},
        started_at=ago(days=1),
        ended_at=ended_at,
    )


def embedder(*spaces: str, **failed: str) -> EmbedderAnnouncement:
    return EmbedderAnnouncement(
        embedder="e1",
        address="127.0.0.1:1",
        default_space="space-1",
        serving={space: ModelId(name="m", version="1") for space in spaces},
        failed=failed,
        announced_at=NOON,
    )


def shadow_record() -> CollectionRecord:
    record = make_record(name=SHADOW)
    return record.model_copy(update={"shadow_of": "photos", "space": SPACE})


def said(*migrations: Migration, users: dict[str, Any] | None = None, **members: Any) -> list[tuple[str, str, str]]:
    """Check, status, and all that is said, of each finding about a collection with a shadow."""
    signs = {
        "users": make_record().model_copy(update={"shadows": (SHADOW,), **(users or {})}),
        "shadows": [shadow_record()],
        "migrations": migrations,
        "runs": {},
        "backlogs": {},
        "embedders": [embedder("space-1", SPACE)],
    }
    found = list(migration_findings(MigrationSigns(**{**signs, **members}), NOON))
    assert all(bool(finding.advice) == (finding.status != "ok") for finding in found)
    return [(finding.check, finding.status, f"{finding.detail}; {finding.advice}") for finding in found]


RUNNING = migration(MigrationState.RUNNING, filling=Filling(sent=600, total=1000, waiting=100, rate=50))


def test_nothing_is_said_of_a_collection_that_does_not_move() -> None:
    gone = migration(MigrationState.PROMOTED, retired_at=ago(days=3))
    assert said(shadows=[], users={"shadows": ()}) == []
    assert said(gone, users={"answering": SHADOW}) == [], "its shadow answers"


@pytest.mark.parametrize(
    ("runs", "status", "words"),
    [
        ({"r1": run(PipelineRunState.RUNNING)}, "ok", "500 of 1000 items are embedded, 0:00:10 left"),
        ({"r1": run(PipelineRunState.PAUSED)}, "warning", "sightwire pipelines resume r1"),
        ({"r1": run(PipelineRunState.FAILED, ago(seconds=10))}, "ok", "run r1"),
        ({"r1": run(PipelineRunState.FAILED, ago(minutes=7))}, "warning", "was failed 7 min ago"),
        ({"r1": None}, "warning", "run r1 is gone"),
        ({}, "warning", "start an orchestrator"),
    ],
)
def test_migrations_that_run(runs: dict[str, RunReport | None], status: str, words: str) -> None:
    [(check, found, detail)] = said(RUNNING, runs=runs)
    assert (check, found) == ("migration", status)
    assert words in detail


@pytest.mark.parametrize(
    ("members", "status", "words"),
    [
        ({"keep_until": NOON + timedelta(hours=1)}, "ok", "until 2026-05-01 13:00"),
        ({"keep_until": ago(seconds=10)}, "ok", "until"),
        ({"keep_until": ago(hours=5)}, "warning", "until 5 h ago, and is still there; drop it"),
    ],
)
def test_indexes_that_are_kept(members: dict[str, Any], status: str, words: str) -> None:
    promoted = migration(MigrationState.PROMOTED, **members)
    [(check, found, detail)] = said(promoted, users={"answering": SHADOW})
    assert (check, found) == ("kept index", status)
    assert "'photos'" in detail
    assert words in detail
    rolled_back = migration(MigrationState.ROLLED_BACK, **members)
    [(check, found, detail)] = said(rolled_back)
    assert (check, found) == ("kept index", status)
    assert repr(SHADOW) in detail


@pytest.mark.parametrize(
    ("migrations", "status", "words"),
    [
        ([], "warning", f"sightwire models drop-shadow {SHADOW}"),
        ([migration(MigrationState.ABANDONED, ended_at=ago(seconds=20))], "ok", "about to go"),
        ([migration(MigrationState.ABANDONED, ended_at=ago(minutes=20))], "warning", "was abandoned 20 min ago"),
        ([migration(MigrationState.ROLLED_BACK, retired_at=ago(days=4))], "warning", "was rolled_back 4 days ago"),
    ],
)
def test_shadows_that_are_left(migrations: list[Migration], status: str, words: str) -> None:
    [(check, found, detail)] = said(*migrations)
    assert (check, found) == ("shadows", status)
    assert words in detail


@pytest.mark.parametrize(
    ("backlog", "embedders", "status", "words"),
    [
        (Backlog(40, ago(minutes=1), None), [embedder(SPACE)], "ok", "40 message(s)"),
        (Backlog(40, ago(hours=1), ago(seconds=5)), [embedder(SPACE)], "ok", "the first since 60 min"),
        (Backlog(40, ago(hours=1), ago(minutes=4)), [embedder(SPACE)], "warning", "none was carried out for 4 min"),
        (Backlog(40, ago(minutes=30), ago(hours=9)), [embedder(SPACE)], "warning", "carried out for 30 min"),
        (Backlog(40, ago(hours=1), None), [embedder(SPACE)], "warning", "start more embedders"),
        (Backlog(1, ago(seconds=1), None), [], "problem", f"no embedder serves space '{SPACE}'"),
        (Backlog(1, ago(seconds=1), None), [embedder("a", **{SPACE: "disk full"})], "problem", "disk full"),
    ],
)
def test_items_that_wait(backlog: Backlog, embedders: list[EmbedderAnnouncement], status: str, words: str) -> None:
    runs = {"r1": run(PipelineRunState.RUNNING)}
    _, (check, found, detail) = said(RUNNING, runs=runs, backlogs={SHADOW: backlog}, embedders=embedders)
    assert (check, found) == ("re-embedding", status)
    assert words in detail


def test_a_shadow_without_its_collection() -> None:
    finding = orphan_finding(SHADOW, "photos")
    assert (finding.status, "drop-shadow" in finding.advice) == ("warning", True)
