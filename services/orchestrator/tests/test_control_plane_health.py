"""How pipelines, models, the cache and the reviewers are."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sightwire_orchestrator.numbers.health import cache_health, model_health, pipeline_health, reviewer_health
from sightwire_orchestrator.numbers.samples import Sample

from services.orchestrator.tests.orchestrator_world import orchestrator_world
from sightwire.contracts.embedding_models import EmbedderAnnouncement
from sightwire.contracts.models import ModelId
from sightwire.contracts.reviews import Reviewer, ReviewFigures
from sightwire.platform.nats_server import NatsServer

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("succeeded", "failed", "state"),
    [(0, 0, "healthy"), (19, 1, "healthy"), (18, 2, "degraded"), (1, 1, "degraded"), (1, 2, "failing")],
)
def test_pipelines(succeeded: int, failed: int, state: str) -> None:
    assert pipeline_health("p", Sample(succeeded=succeeded, failed=failed, cancelled=9)).state == state


def embedder(name: str, *serving: str, **failed: str) -> EmbedderAnnouncement:
    return EmbedderAnnouncement(
        embedder=name,
        address="127.0.0.1:1",
        default_space="a",
        serving={space: ModelId(name="m", version="1") for space in serving},
        failed=failed,
        announced_at=NOON,
    )


def test_models() -> None:
    health = list(model_health([embedder("e1", "a", "b"), embedder("e2", "a", b="no disk", c="damaged")]))
    assert [(each.name, each.state) for each in health] == [("a", "healthy"), ("b", "degraded"), ("c", "failing")]
    assert health[1].detail == "1 of 2 embedders serve m:1; no disk"
    assert [each.state for each in model_health([])] == ["failing"]


@pytest.mark.parametrize(
    ("shared", "state"), [("healthy", "healthy"), ("disabled", "healthy"), ("unhealthy: timeout", "degraded")]
)
def test_the_cache(shared: str, state: str) -> None:
    assert cache_health(shared).state == state


def figures(waiting: int, late: int) -> ReviewFigures:
    return ReviewFigures(
        decided=0,
        decided_in_time=0,
        decided_late=0,
        withdrawn=0,
        open=waiting,
        open_late=late,
        median_seconds_to_decision=None,
    )


@pytest.mark.parametrize(
    ("people", "waiting", "late", "state"),
    [(0, 0, 0, "healthy"), (1, 3, 0, "healthy"), (1, 3, 1, "degraded"), (0, 1, 0, "failing")],
)
def test_reviewers(people: int, waiting: int, late: int, state: str) -> None:
    reviewers = [Reviewer(id=f"r{number}", name="R", email="r@example.org") for number in range(people)]
    assert reviewer_health(reviewers, figures(waiting, late), NOON).state == state


@pytest.mark.timeout(120)
async def test_all_parts_are_asked(
    module_nats_server: NatsServer, tmp_path: Path, unique_name: Callable[..., str]
) -> None:
    name = unique_name("healthy")
    async with orchestrator_world(module_nats_server, tmp_path) as world:
        async with world.service(), world.worker():
            await world.end_of(await world.begin({"name": name, "tasks": [{"name": "bad", "type": "broken"}]}))
        async with world.service():
            components = (await world.client.health()).components
    states = {(each.kind, each.name): each.state for each in components}
    assert states["pipeline", name] == "failing"
    assert states["model", "embedders"] == "failing"
    assert states["cache", "tasks"] == "healthy"
    assert states["reviewers", "reviewers"] == "healthy"
