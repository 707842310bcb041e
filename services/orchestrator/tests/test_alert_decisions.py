"""When a rule fires, is told of, and ceases to. Decides only."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from sightwire_orchestrator.alerts.deciding import look_at
from sightwire_orchestrator.alerts.messages import check_template, event_of, message_of
from sightwire_orchestrator.alerts.metric_names import (
    ExecutionMetric,
    PartMetric,
    PrometheusMetric,
    read_metric_name,
)
from sightwire_orchestrator.numbers.durations import Durations
from sightwire_orchestrator.numbers.samples import Sample

from sightwire.contracts.alerts import AlertRule, AlertStanding, AlertState, Operator
from sightwire.errors import InvalidInputError

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
COOLDOWN = 10.0


def rule(**members: object) -> AlertRule:
    return AlertRule.model_validate(
        {"name": "r", "metric_name": "runs.failed", "operator": ">", "threshold": 5, "cooldown": COOLDOWN, **members}
    )


@pytest.mark.parametrize(
    ("operator", "below", "at", "above"),
    [
        (">", False, False, True),
        (">=", False, True, True),
        ("<", True, False, False),
        ("<=", True, True, False),
        ("==", False, True, False),
        ("!=", True, False, True),
    ],
)
def test_operators(operator: Operator, below: bool, at: bool, above: bool) -> None:
    fires = [
        look_at(rule(operator=operator), AlertStanding(), value, NOON).standing.state is AlertState.FIRING
        for value in (4.0, 5.0, 6.0)
    ]
    assert fires == [below, at, above]


def test_nothing_to_count_resolves() -> None:
    fired = look_at(rule(), AlertStanding(), 6.0, NOON)
    assert (fired.kind, fired.is_silenced) == ("fired", False)
    ended = look_at(rule(), fired.standing, None, NOON + timedelta(seconds=1))
    assert (ended.kind, ended.standing.state, ended.is_silenced) == ("resolved", AlertState.OK, False)


def test_a_disabled_rule_resolves() -> None:
    fired = look_at(rule(), AlertStanding(), 6.0, NOON).standing
    assert look_at(rule(enabled=False), fired, 6.0, NOON).kind == "resolved"


STEPS = st.lists(
    st.tuples(
        st.floats(min_value=0, max_value=20),
        st.sampled_from([None, 0.0, 9.0]),
        st.sampled_from([None, None, None, 0.0, 15.0]),
    ),
    max_size=60,
)


@given(STEPS)
def test_who_listens_hears_of_every_episode_once_outside_cooldowns_and_silences(
    steps: list[tuple[float, float | None, float | None]],
) -> None:
    standing, now = AlertStanding(), NOON
    told: list[tuple[str, datetime]] = []
    for seconds, value, silence in steps:
        now += timedelta(seconds=seconds)
        if silence is not None:
            until = now + timedelta(seconds=silence) if silence else None
            standing = standing.model_copy(update={"silenced_until": until})
        before, look = standing, look_at(rule(), standing, value, now)
        standing = look.standing
        holds = value is not None and value > 5
        assert (standing.state is AlertState.FIRING) is holds
        assert standing.value == value
        is_silent = standing.silenced_until is not None and now < standing.silenced_until
        if look.kind is not None and not look.is_silenced:
            assert not is_silent
            told.append((look.kind, now))
        if look.kind == "resolved":
            assert before.state is AlertState.FIRING
            assert look.is_silenced or before.is_told
        is_cooling = before.told_at is not None and now - before.told_at < timedelta(seconds=COOLDOWN)
        if holds and not is_silent and not is_cooling:
            assert standing.is_told, "whoever listens knows of what fires"
        assert look_at(rule(), standing, value, now).kind is None, "a second look at the same time changes nothing"
    firings = [at for kind, at in told if kind == "fired"]
    for earlier, later in pairwise(firings):
        assert later - earlier >= timedelta(seconds=COOLDOWN)


@pytest.mark.parametrize(
    ("text", "metric"),
    [
        ("runs.failed", ExecutionMetric("failed")),
        ("pipeline.drafts.success_rate", ExecutionMetric("success_rate", "drafts")),
        ("task.drafts.generate_draft.p95", ExecutionMetric("p95", "drafts", "generate_draft")),
        ("reviews.late", PartMetric("reviews.late")),
        ("cache.hit_rate", PartMetric("cache.hit_rate")),
        ("prometheus:up == 0", PrometheusMetric("up == 0")),
    ],
)
def test_metric_names(text: str, metric: object) -> None:
    assert read_metric_name(text) == metric


@pytest.mark.parametrize("text", ["", "runs", "runs.speed", "pipeline.A.count", "task.drafts.p95", "reviews.count"])
def test_other_names_are_refused_with_those_there_are(text: str) -> None:
    with pytest.raises(InvalidInputError, match=r"success_rate"):
        read_metric_name(text)


def test_measures() -> None:
    durations = Durations.of(1.0) + Durations.of(3.0)
    sample = Sample(succeeded=1, failed=1, durations=durations)
    span = timedelta(seconds=10)
    values = {
        name: ExecutionMetric(name).value(sample, span)
        for name in ("count", "failed", "success_rate", "failure_rate", "throughput", "min", "mean", "max")
    }
    assert values == {
        "count": 2,
        "failed": 1,
        "success_rate": 0.5,
        "failure_rate": 0.5,
        "throughput": 0.2,
        "min": 1.0,
        "mean": 2.0,
        "max": 3.0,
    }
    nothing = [ExecutionMetric(name).value(Sample(), span) for name in ("success_rate", "failure_rate", "p99", "count")]
    assert nothing == [None, None, None, 0]


def test_messages_name_values_and_reach_nothing_else() -> None:
    template = "{severity}: {name}, {metric_name} {operator} {threshold}: {value}"
    assert message_of(rule(message_template=template), 7.25) == "warning: r, runs.failed > 5: 7.25"
    assert message_of(rule(message_template="{value}"), None) == "nothing"
    for template in ("{rule.name}", "{0}", "{value!r}", "{value.__class__}"):
        with pytest.raises(InvalidInputError, match="there are name"):
            check_template(template)


def test_an_event_says_everything() -> None:
    event = event_of(rule(), "fired", 7.0, NOON, is_silenced=False)
    assert event.message == "runs.failed is 7"
    assert TypeAdapter(type(event)).validate_json(event.model_dump_json()) == event
