"""A run that waits for a person: asked for, decided elsewhere, continued; and withdrawn with its run."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sightwire_orchestrator.reviews.opening import ReviewOffice, open_office
from sightwire_orchestrator.runs.events import ReviewDecided
from sightwire_orchestrator.storage.database import Database
from sightwire_orchestrator.tasks.resources import open_resources

from services.orchestrator.tests.asked_reviews import reviewer
from services.orchestrator.tests.orchestrator_world import OrchestratorWorld, orchestrator_world, states
from sightwire.contracts.pipeline_control import SteerRun
from sightwire.contracts.pipelines import PipelineRunState, TaskState
from sightwire.contracts.reviews import Actor, EditedData, Review, ReviewDecision, ReviewStatus
from sightwire.errors import UnavailableError
from sightwire.platform.nats_server import NatsServer
from tests.plugin.waiting import Eventually

pytestmark = pytest.mark.timeout(120)


@pytest_asyncio.fixture(loop_scope="session")
async def world(fresh_nats_server: NatsServer, tmp_path: Path) -> AsyncIterator[OrchestratorWorld]:
    async with orchestrator_world(fresh_nats_server, tmp_path) as world:
        yield world


@pytest_asyncio.fixture(loop_scope="session")
async def office(world: OrchestratorWorld) -> AsyncIterator[ReviewOffice]:
    """An office beside the orchestrator's, on the same database, that cannot tell runs itself."""
    settings = world.settings()
    database = Database(settings.orchestrator_database_url.get_secret_value())
    await database.open()

    async def tell_run(_run: str, _decided: ReviewDecided) -> None:
        raise UnavailableError("the orchestrator does")

    async with open_resources(settings) as resources:
        office = open_office(database, settings, tell_run, webhooks=resources.webhooks, mail=None)
        await office.reviewers.put(reviewer("ann"))
        yield office
    await database.close()


async def test_a_decision_continues_the_run_also_after_a_restart(
    world: OrchestratorWorld, office: ReviewOffice, eventually: Eventually, unique_name: Callable[..., str]
) -> None:
    async with world.service(), world.worker():
        run = await world.begin(_reviewed(unique_name("review")))
        review = await eventually(lambda: _review_of(office, run))
        assert (review.status, review.reviewer, review.input_data) == (ReviewStatus.ASSIGNED, "ann", {"text": "draft"})
    decision = ReviewDecision(decision="approve", edited=EditedData(value={"text": "final"}))
    await office.desk.decide(review.id, decision, Actor(name="ann", origin="a test"))
    async with world.service(), world.worker():
        report = await world.end_of(run)
    assert (report.state, report.results) == (PipelineRunState.SUCCEEDED, {"text": "final"})


async def test_the_review_of_a_cancelled_run_is_withdrawn(
    world: OrchestratorWorld, office: ReviewOffice, eventually: Eventually, unique_name: Callable[..., str]
) -> None:
    async with world.service(), world.worker():
        run = await world.begin(_reviewed(unique_name("review")))
        review = await eventually(lambda: _review_of(office, run))
        assert states(await world.client.run(run))["draft"] is TaskState.IN_REVIEW
        await world.client.steer(SteerRun(run=run, action="cancel"))

        async def is_withdrawn() -> bool:
            return (await office.reviews.get(review.id)).status is ReviewStatus.WITHDRAWN

        await eventually(is_withdrawn)


async def _review_of(office: ReviewOffice, run: str) -> Review | None:
    return await office.reviews.find(f"{run}.draft.1")


def _reviewed(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "tasks": [
            {"name": "draft", "type": "echo", "parameters": {"text": "draft"}, "review": {}},
            {"name": "send", "type": "echo", "parameters": {"text": "{draft_output.text}"}},
        ],
        "global_parameters": {"output_mapping": {"text": "{send_output.text}"}},
    }
