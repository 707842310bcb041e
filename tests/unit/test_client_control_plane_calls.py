"""Requests about pipelines, models and reviews as values."""

from datetime import UTC, datetime, time
from typing import Any

import pytest

from sightwire.client import calls
from sightwire.client.calls import Call
from sightwire.contracts.models import ModelId
from sightwire.contracts.reviews import Availability, Reviewer, WorkingHours

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
_RUN = "/v1/runs/r1"
_MODEL = "/v1/models/clipart%3A2"


@pytest.mark.parametrize(
    ("call", "method", "path", "params"),
    [
        (calls.list_pipelines(), "GET", "/v1/pipelines", {}),
        (calls.get_pipeline("drafts", version="2"), "GET", "/v1/pipelines/drafts", {"version": "2"}),
        (calls.draw_pipeline("drafts", version=None), "GET", "/v1/pipelines/drafts/graph", {}),
        (calls.get_run("r1"), "GET", _RUN, {}),
        (calls.get_run("r1", wait=10), "GET", _RUN, {"wait": "ended", "timeout": "10"}),
        (calls.steer_run("r1", "cancel", reason="late"), "POST", f"{_RUN}/cancel", {"reason": "late"}),
        (
            calls.list_runs(pipeline="drafts", states=("failed", "cancelled"), limit=5, cursor=None),
            "GET",
            "/v1/runs",
            {"pipeline": "drafts", "state": ["failed", "cancelled"], "limit": "5"},
        ),
        (calls.get_model("clipart:2"), "GET", _MODEL, {}),
        (calls.get_lineage("clipart:2"), "GET", f"{_MODEL}/lineage", {}),
        (calls.compare_models("clipart:2", "clipart@live"), "GET", f"{_MODEL}/compare/clipart%40live", {}),
        (
            calls.annotate_model("clipart:2", {}, expected_revision=3),
            "PUT",
            f"{_MODEL}/notes",
            {"expected_revision": "3"},
        ),
        (calls.list_aliases("clipart"), "GET", "/v1/models/clipart/aliases", {}),
        (calls.read_alias("clipart", "live"), "GET", "/v1/models/clipart/aliases/live", {}),
        (
            calls.remove_alias("clipart", "live", expected="2", reason=""),
            "DELETE",
            "/v1/models/clipart/aliases/live",
            {"expected": "2"},
        ),
        (calls.load_model("clipart", "2"), "POST", "/load-model", {}),
        (calls.switch_model("clipart", "2"), "POST", "/switch-model", {}),
        (calls.list_served(), "GET", "/v1/served-models", {}),
        (calls.get_served("clipart", "2"), "GET", "/v1/served-models/clipart/2", {}),
        (calls.unload_model("clipart", "2"), "DELETE", "/v1/served-models/clipart/2", {}),
        (calls.get_review("r1.draft.1"), "GET", "/v1/reviews/r1.draft.1", {}),
        (
            calls.review_statistics(reviewer="ada", specialization=None, asked_from=NOON, asked_before=None),
            "GET",
            "/v1/reviews/statistics",
            {"reviewer": "ada", "asked_from": "2026-05-01T12:00:00+00:00"},
        ),
        (calls.list_reviewers(with_inactive=True), "GET", "/v1/reviewers", {"with_inactive": "true"}),
        (calls.deactivate_reviewer("ada"), "POST", "/v1/reviewers/ada/deactivate", {}),
    ],
)
def test_calls_go_where_they_should(call: Call[Any], method: str, path: str, params: dict[str, Any]) -> None:
    assert (call.method, call.path, call.params) == (method, path, params)


def test_definitions_travel_as_they_are() -> None:
    text = calls.submit_pipeline("name: a", any_type=False).content(None)
    assert text == {"content": b"name: a", "headers": {"content-type": "application/yaml"}}
    document = calls.submit_pipeline({"name": "a"}, any_type=True)
    assert document.content(None)["content"] == b'{"name":"a"}'
    assert document.params == {"any_type": "true"}


def test_bodies_leave_defaults_to_the_platform() -> None:
    assert calls.start_run("drafts", None, version=None, run=None).body == {"parameters": {}}
    stored = {"kind": "stored", "prefix": "b"}
    assert calls.register_model(stored, notes=None, lineage=None, expected_sha256=None).body == {"bundle": stored}
    replacement = ModelId(name="clipart", version="2")
    assert calls.deprecate_model("clipart:1", "worse", replacement=replacement).body == {
        "reason": "worse",
        "replacement": {"name": "clipart", "version": "2"},
    }
    edited = calls.decide_review("r1.draft.1", "approve", comment="", edited={"value": None}, by=None)
    assert edited.body == {"decision": "approve", "comment": "", "edited": {"value": None}}, "null is a value"


def test_texts_to_compare_are_a_body() -> None:
    call = calls.predict(("red",), ["shoes"], threshold=None, top_k=3)
    assert call.body == {"query": ["red"], "product_descriptions": ["shoes"], "top_k": 3}
    answer = call.read(
        b'{"results": [{"query": "red", "matches": [{"index": 0, "product_description": "shoes", "score": 1}]}]}'
    )
    assert answer.results[0].matches[0].score == 1


def test_a_reviewer_is_a_body() -> None:
    hours = WorkingHours(start=time(8), end=time(16))
    profile = Reviewer(id="ada", name="Ada", email="ada@example.org", availability=Availability(hours=(hours,)))
    call = calls.put_reviewer(profile)
    assert call.path == "/v1/reviewers/ada"
    assert Reviewer.model_validate(call.body) == profile
