"""Routes of reviews and reviewers beside a real orchestrator: who decides is told by the key, or said."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from services.gateway.tests.conftest import SettingsFactory
from services.gateway.tests.http_gateway import RunningGateway, run_gateway
from services.gateway.tests.test_gateway_pipelines import on
from services.orchestrator.tests.orchestrator_world import orchestrator_world
from sightwire.client import ApiError, AsyncSightwire
from sightwire.contracts.reviews import Reviewer, ReviewStatus
from sightwire.platform.nats_server import NatsServer

pytestmark = pytest.mark.timeout(120)

Names = Callable[[str], str]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def running(
    module_nats_server: NatsServer, gateway_settings: SettingsFactory, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RunningGateway]:
    """A gateway without keys, and an orchestrator with workers."""
    async with (
        orchestrator_world(module_nats_server, tmp_path_factory.mktemp("orchestrator")) as world,
        world.service(),
        world.worker(),
        run_gateway(on(module_nats_server, gateway_settings)) as gateway,
    ):
        yield gateway


@pytest.fixture
async def ada(running: RunningGateway, unique_name: Names) -> str:
    """A reviewer, the only one of a specialization that is called as she is."""
    name = unique_name("ada")
    return await keep(running, name, name)


@pytest.fixture
async def bob(running: RunningGateway, unique_name: Names) -> str:
    """A reviewer of nothing in particular."""
    return await keep(running, unique_name("bob"))


async def keep(running: RunningGateway, name: str, *specializations: str) -> str:
    answer = await running.http.put(f"/v1/reviewers/{name}", json=profile(name, *specializations))
    assert (answer.status_code, answer.json()["revision"]) == (200, 1)
    return name


def profile(name: str, *specializations: str, **values: Any) -> dict[str, Any]:
    return {
        "id": name,
        "name": name,
        "email": f"{name}@example.org",
        "specializations": list(specializations),
        **values,
    }


async def ask(running: RunningGateway, name: str, reviewer: str) -> str:
    """The id of a review that a reviewer has."""
    http = running.http
    review = {"specialization": reviewer, "instructions": "Is it short?"}
    definition = {
        "name": name,
        "tasks": [{"name": "draft", "type": "echo", "parameters": {"text": "draft"}, "review": review}],
        "global_parameters": {"output_mapping": {"text": "{draft_output.text}"}},
    }
    await http.post("/v1/pipelines", params={"any_type": True}, json=definition)
    run = (await http.post(f"/v1/pipelines/{name}/runs", json={})).json()["run"]
    async with http.stream("GET", f"/v1/runs/{run}/events") as stream:
        async for line in stream.aiter_lines():
            if '"in_review"' in line:
                break
    return f"{run}.draft.1"


async def test_reviewers_are_kept(running: RunningGateway, ada: str) -> None:
    http = running.http
    address = f"/v1/reviewers/{ada}"
    known = (await http.get(address)).json()
    assert known["email"] == f"{ada}@example.org"
    changed = await http.put(address, json={**known, "max_concurrent_reviews": 2})
    assert changed.json()["max_concurrent_reviews"] == 2
    stale = await http.put(address, json=known)
    assert (stale.status_code, stale.json()["type"]) == (409, "urn:sightwire:problem:conflict")
    assert (await http.put(address, json=profile("somebody"))).status_code == 422
    assert (await http.post(f"{address}/deactivate")).json()["is_active"] is False
    assert ada not in {one["id"] for one in (await http.get("/v1/reviewers")).json()["reviewers"]}
    everybody = (await http.get("/v1/reviewers", params={"with_inactive": True})).json()["reviewers"]
    assert ada in {one["id"] for one in everybody}


async def test_a_decision_continues_the_run(running: RunningGateway, ada: str, bob: str, unique_name: Names) -> None:
    http = running.http
    review = await ask(running, unique_name("reviewed"), ada)
    listed = (await http.get("/v1/reviews", params={"reviewer": ada, "status": "assigned"})).json()["reviews"]
    assert [(one["id"], one["reviewer"], one["instructions"]) for one in listed] == [(review, ada, "Is it short?")]
    address = f"/v1/reviews/{review}"
    assert (await http.get(address)).json()["review"]["input_data"] == {"text": "draft"}

    commented = await http.post(f"{address}/comments", json={"comment": "looking at it", "by": ada})
    assert commented.status_code == 200
    unsaid = await http.post(f"{address}/decision", json={"decision": "approve"})
    assert (unsaid.status_code, "by: expected" in unsaid.json()["detail"]) == (422, True)
    others = await http.post(f"{address}/decision", json={"decision": "approve", "by": bob})
    assert (others.status_code, f"lies with {ada}" in others.json()["detail"]) == (409, True)
    said = {"decision": "approve", "edited": {"value": {"text": "final"}}, "by": ada}
    for _ in range(2):
        decided = await http.post(f"{address}/decision", json=said)
        assert (decided.status_code, decided.json()["status"]) == (200, "decided")

    run = review.partition(".")[0]
    ended = (await http.get(f"/v1/runs/{run}", params={"wait": "ended"})).json()
    assert (ended["state"], ended["results"]) == ("succeeded", {"text": "final"})
    trail = (await http.get(address)).json()["trail"]
    assert [entry["act"]["kind"] for entry in trail] == ["asked", "assigned", "commented", "decided"]
    assert trail[-1]["actor"] == {"name": ada, "origin": "api 127.0.0.1"}
    figures = (await http.get("/v1/reviews/statistics", params={"reviewer": ada})).json()["total"]
    assert (figures["decided"], figures["open"]) == (1, 0)


async def test_a_review_is_passed_on(running: RunningGateway, ada: str, unique_name: Names) -> None:
    http = running.http
    review = await ask(running, unique_name("reviewed"), ada)
    bob, eve = [await keep(running, unique_name(name), ada) for name in ("bob", "eve")]
    given = await http.post(f"/v1/reviews/{review}/delegate", json={"to": bob, "comment": "yours", "by": ada})
    assert (given.status_code, given.json()["reviewer"]) == (200, bob)
    reassigned = await http.post(f"/v1/reviews/{review}/reassign", json={})
    assert (reassigned.status_code, reassigned.json()["reviewer"] in {ada, eve}) == (200, True)
    await http.post(f"/v1/runs/{review.partition('.')[0]}/cancel")


async def test_the_client_decides(running: RunningGateway, ada: str, unique_name: Names) -> None:
    review = await ask(running, unique_name("reviewed"), ada)
    async with AsyncSightwire(running.url) as sightwire:
        assert (await sightwire.reviews.get(review)).review.reviewer == ada
        listed = await sightwire.reviews.list(reviewer=ada, statuses=("assigned", "waiting"))
        assert [one.id for one in listed.reviews] == [review]
        decided = await sightwire.reviews.decide(review, "reject", comment="no", by=ada)
        assert decided.status is ReviewStatus.DECIDED
        known = await sightwire.reviewers.get(ada)
        assert await sightwire.reviewers.put(known) == known.model_copy(update={"revision": known.revision + 1})
        assert ada in {reviewer.id for reviewer in (await sightwire.reviewers.list()).reviewers}
        assert (await sightwire.reviews.statistics(reviewer=ada)).total.decided == 1
        with pytest.raises(ApiError, match="change that one"):
            await sightwire.reviewers.put(Reviewer(id=ada, name="Ada", email="ada@example.org"))


async def test_a_key_says_who_decides(
    running: RunningGateway,
    module_nats_server: NatsServer,
    gateway_settings: SettingsFactory,
    ada: str,
    bob: str,
    unique_name: Names,
) -> None:
    review = await ask(running, unique_name("reviewed"), ada)
    keys = {ada: "the key of ada, 16 or more", bob: "the key of bob, 16 or more"}
    address = f"/v1/reviews/{review}/decision"
    async with run_gateway(on(module_nats_server, gateway_settings), named_keys=keys) as guarded:
        http = guarded.http
        assert (await http.post(address, json={"decision": "approve"})).status_code == 401
        as_bob = {"x-api-key": keys[bob]}
        forbidden = await http.post(address, json={"decision": "approve", "by": ada}, headers=as_bob)
        assert (forbidden.status_code, forbidden.json()["type"]) == (403, "urn:sightwire:problem:forbidden")
        assert (await http.post(address, json={"decision": "approve"}, headers=as_bob)).status_code == 409
        decided = await http.post(address, json={"decision": "approve"}, headers={"x-api-key": keys[ada]})
        assert (decided.status_code, decided.json()["reviewer"]) == (200, ada)


async def test_what_is_no_review_is_told(running: RunningGateway) -> None:
    http = running.http
    assert (await http.get("/v1/reviews/none.draft.1")).status_code == 404
    assert (await http.get("/v1/reviewers/nobody")).status_code == 404
    assert (await http.post("/v1/reviews/none/decision", json={"decision": "changes", "by": "ada"})).status_code == 422
    assert (await http.post("/v1/reviews/none/decision", json={"decision": "approve", "by": "ada"})).status_code == 404
    assert (await http.get("/v1/reviews", params={"status": "lost"})).status_code == 422
    assert (await http.get("/v1/reviews", params={"asked_from": "2026-01-01T00:00:00"})).status_code == 422
