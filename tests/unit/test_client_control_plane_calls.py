"""Requests about pipelines, models, migrations, reviews and alerts as values."""

from datetime import UTC, datetime, time
from typing import Any

import pytest

from sightwire.client import calls
from sightwire.client.calls import Call
from sightwire.contracts.models import ModelId
from sightwire.contracts.reviews import Availability, Reviewer, WorkingHours
from sightwire.contracts.validation import GateThresholds

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
        (
            calls.pipeline_metrics("drafts", seconds=3600, task="check"),
            "GET",
            "/v1/pipelines/drafts/metrics",
            {"seconds": "3600", "task": "check"},
        ),
        (
            calls.list_migrations(collection="photos", state="running", limit=5),
            "GET",
            "/v1/migrations",
            {"collection": "photos", "state": "running", "limit": "5"},
        ),
        (calls.get_migration("r1"), "GET", "/v1/migrations/r1", {}),
        (
            calls.roll_back_migration("photos", run=None, reason=""),
            "POST",
            "/v1/collections/photos/rollback",
            {},
        ),
        (calls.list_alerts(state="firing"), "GET", "/v1/alerts", {"state": "firing"}),
        (calls.delete_alert("late"), "DELETE", "/v1/alerts/late", {}),
        (calls.silence_alert("late", 60), "POST", "/v1/alerts/late/silence", {}),
        (calls.alert_history(name="late", limit=5), "GET", "/v1/alert-history", {"name": "late", "limit": "5"}),
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
    started = calls.start_migration("photos", "clipart:2", review=True, gates=GateThresholds(k=5), keep_hours=None)
    assert (started.body["collection"], started.body["review"], started.body["gates"]["k"]) == ("photos", True, 5)
    assert "keep_hours" not in started.body
    edited = calls.decide_review("r1.draft.1", "approve", comment="", edited={"value": None}, by=None)
    assert edited.body == {"decision": "approve", "comment": "", "edited": {"value": None}}, "null is a value"


def test_texts_to_compare_are_a_body() -> None:
    call = calls.predict(("red",), ["shoes"], threshold=None, top_k=3)
    assert call.body == {"query": ["red"], "product_descriptions": ["shoes"], "top_k": 3}
    answer = call.read(
        b'{"results": [{"query": "red", "matches": [{"index": 0, "product_description": "shoes", "score": 1}]}]}'
    )
    assert answer.results[0].matches[0].score == 1


def test_a_rollback_is_sent_again_only_when_it_says_of_which_migration() -> None:
    assert calls.roll_back_migration("photos", run="r1", reason="").repeatable
    assert not calls.roll_back_migration("photos", run=None, reason="").repeatable
    assert not calls.start_migration("photos", "clipart:2").repeatable


def test_a_reviewer_is_a_body() -> None:
    hours = WorkingHours(start=time(8), end=time(16))
    profile = Reviewer(id="ada", name="Ada", email="ada@example.org", availability=Availability(hours=(hours,)))
    call = calls.put_reviewer(profile)
    assert call.path == "/v1/reviewers/ada"
    assert Reviewer.model_validate(call.body) == profile
