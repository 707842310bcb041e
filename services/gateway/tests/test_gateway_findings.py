"""What the gateway thinks of what it sees."""

from datetime import UTC, datetime, timedelta

import pytest
from sightwire_gateway import findings

from sightwire.contracts.events import IndexReady
from sightwire.errors import UnavailableError

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def ready(version: int, age_seconds: float) -> IndexReady:
    return IndexReady(
        collection="demo",
        collection_uid="u",
        generation="g1",
        space="external",
        manifest_version=version,
        items=1,
        segments=1,
        checkpoint=1,
        committed_at=NOON - timedelta(seconds=age_seconds),
    )


@pytest.mark.parametrize(
    ("announced", "loaded", "status"),
    [
        (None, {"a": 0}, "ok"),
        (None, {}, "problem"),
        (ready(5, 60), {"a": 5, "b": 6}, "ok"),
        (ready(5, 60), {"a": 5, "b": 4}, "warning"),
        # It may just be loading it.
        (ready(5, 2), {"a": 4}, "ok"),
        (ready(5, 60), {}, "problem"),
    ],
)
def test_searchers_behind(announced: IndexReady | None, loaded: dict[str, int], status: str) -> None:
    finding = findings.searcher_finding(announced, loaded, NOON)
    assert finding.status == status
    assert bool(finding.advice) == (status != "ok")


@pytest.mark.parametrize(
    ("used", "status"), [(0, "ok"), (69, "ok"), (70, "warning"), (95, "problem"), (100, "problem")]
)
def test_stream_that_refuses_when_it_is_full(used: int, status: str) -> None:
    assert findings.fill_finding("INGEST", used, 100).status == status


def test_dead_letters_are_a_warning() -> None:
    assert findings.dead_letter_finding(0).status == "ok"
    assert findings.dead_letter_finding(2).status == "warning"


@pytest.mark.parametrize(
    ("limit", "unlimited", "status"), [(256, False, "warning"), (1024, False, "ok"), (-1, True, "ok")]
)
def test_open_files(limit: int, unlimited: bool, status: str) -> None:
    assert findings.open_files_finding(limit, is_unlimited=unlimited).status == status


def test_what_cannot_be_looked_at_is_a_problem_in_its_own_words() -> None:
    assert "gone" in findings.unanswered_finding("bus", UnavailableError("gone")).detail
    assert "TimeoutError" in findings.unanswered_finding("bus", TimeoutError()).detail
    assert findings.embedder_finding(UnavailableError("loading"), "").status == "problem"
