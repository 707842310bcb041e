"""How migrations measure and judge: rankings, canaries, pace, labelled queries."""

from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sightwire_orchestrator.commands.migration_output import progress_of
from sightwire_orchestrator.commands.model_migrations import share_of
from sightwire_orchestrator.migrations.canary_judging import judge_canary
from sightwire_orchestrator.migrations.labelled_queries import parse_labelled_queries
from sightwire_orchestrator.migrations.measures import ndcg_at, overlap_at, recall_at
from sightwire_orchestrator.migrations.pace import Lag, Pace
from sightwire_orchestrator.migrations.query_plans import similarity_search, text_search
from sightwire_orchestrator.pipelines import shipped_pipelines
from typer import BadParameter

from services.orchestrator.tests.made_migrations import NOW, users_record
from sightwire.contracts.migration_plans import CanaryThresholds
from sightwire.contracts.migrations import CanaryObservation, Filling
from sightwire.contracts.operations import Progress
from sightwire.contracts.pipeline_control import RunReport, TaskReport
from sightwire.contracts.pipelines import PipelineRunState, TaskState
from sightwire.errors import InvalidInputError
from sightwire.v1 import searcher_pb2

RANKING = st.lists(st.sampled_from("abcdefghijkl"), unique=True)


@given(RANKING, st.sets(st.sampled_from("abcdefghijkl"), min_size=1), st.integers(1, 12))
def test_measures_are_shares_and_perfect_just_for_perfect_rankings(ranking: list[str], relevant: set[str], k: int):
    recall, ndcg = recall_at(ranking, relevant, k), ndcg_at(ranking, relevant, k)
    assert 0 <= recall <= 1
    assert 0 <= ndcg <= 1 + 1e-9
    perfect = [*sorted(relevant), *(other for other in "abcdefghijkl" if other not in relevant)]
    assert recall_at(perfect, relevant, k) == pytest.approx(1)
    assert ndcg_at(perfect, relevant, k) == pytest.approx(1)
    first = set(ranking[: min(k, len(relevant))])
    assert (ndcg > 1 - 1e-9) == (len(first) == min(k, len(relevant)) and first <= relevant)


@given(RANKING, RANKING, st.integers(1, 12))
def test_overlap_is_the_same_both_ways(one: list[str], other: list[str], k: int):
    assert overlap_at(one, other, k) == overlap_at(other, one, k)
    assert overlap_at(one, one[::-1], max(k, len(one))) == 1
    assert 0 <= overlap_at(one, other, k) <= 1


def test_ndcg_by_hand():
    assert ndcg_at(["x", "a"], {"a"}, 10) == pytest.approx(0.6309, abs=1e-4)
    assert recall_at(["a", "x", "b"], {"a", "b", "c"}, 2) == 0.5


def observation(**members: object) -> CanaryObservation:
    return CanaryObservation.model_validate(
        {
            "collection": "photos",
            "shadow": "photos--1",
            "query": "q",
            "answered_by_shadow": True,
            "overlap": 0.5,
            "seconds": 0.05,
            "shadow_seconds": 0.06,
            "observed_at": NOW,
            **members,
        }
    )


@pytest.mark.parametrize(
    ("observations", "problem"),
    [
        ([observation()] * 20, None),
        ([observation()] * 19, "says nothing"),
        ([], "says nothing"),
        ([observation(overlap=0.1)] * 20, "overlap"),
        ([observation(shadow_error="away")] * 20, "20 of 20 queries failed, such as with: away"),
        ([*[observation()] * 200, observation(shadow_error="away")], None),
        ([observation(shadow_seconds=0.2)] * 20, "200 ms and not 50 ms"),
        ([observation(seconds=0.001, shadow_seconds=0.04)] * 20, None),
    ],
)
def test_a_canary_is_judged_by_overlap_errors_and_latency(observations: list[CanaryObservation], problem: str | None):
    report = judge_canary(observations, CanaryThresholds())
    assert report.queries == len(observations)
    assert bool(report.problems) == (problem is not None)
    assert problem is None or any(problem in said for said in report.problems)


@pytest.mark.parametrize(
    ("lag", "waits"), [(Lag(0, 0), False), (Lag(31, 100), False), (Lag(32, 0), True), (Lag(0, 101), True)]
)
def test_filling_waits_for_people_and_for_the_embedders(lag: Lag, waits: bool):
    assert Pace(max_waiting=32, max_ingest_lag=100).must_wait(lag) is waits


def test_filling_keeps_to_the_rate_that_is_allowed():
    pace = Pace(32, 100, items_per_second=50.0)
    assert pace.seconds_ahead(sent=100, seconds=0.5) == pytest.approx(1.5)
    assert pace.seconds_ahead(sent=100, seconds=3) == 0
    assert Pace(32, 100).seconds_ahead(sent=100, seconds=0) == 0
    assert [pace.page_items(256), Pace(32, 100, 0.1).page_items(256), Pace(32, 100).page_items(256)] == [50, 1, 256]


def test_labelled_queries_are_read_line_by_line():
    parsed = parse_labelled_queries(
        b'{"query": "cat", "relevant": ["a"]}\n\n{"query": "dog", "relevant": ["b"]}', origin="q"
    )
    assert [(one.query, one.relevant) for one in parsed] == [("cat", ("a",)), ("dog", ("b",))]
    with pytest.raises(InvalidInputError, match=r"q:2: relevant"):
        parse_labelled_queries(b'{"query": "cat", "relevant": ["a"]}\n{"query": "dog"}', origin="q")
    with pytest.raises(InvalidInputError, match="no queries"):
        parse_labelled_queries(b"\n", origin="q")


def test_both_indexes_are_searched_as_the_gateway_would():
    index = users_record()
    found = text_search(index, b"\0" * 32, k=7)
    assert [(query.field, query.space) for query in found.queries] == [("image", "old-1"), ("text", "old-1")]
    assert (found.k, found.fusion) == (7, searcher_pb2.FUSION_MEAN_SCORE)
    assert [query.field for query in similarity_search(index, "a", k=7).queries] == ["image"]
    own = users_record(fields={"own": {"source": "user", "dimension": 3}})
    for search in (lambda: text_search(own, b"", k=1), lambda: similarity_search(own, "a", k=1)):
        with pytest.raises(InvalidInputError, match="no field"):
            search()


@pytest.mark.parametrize(("text", "share"), [("10%", 0.1), ("0.25", 0.25), ("100%", 1.0)])
def test_shares_are_percents_or_numbers(text: str, share: float):
    assert share_of(text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["0", "10", "-1%", "ten", "101%"])
def test_other_shares_are_refused(text: str):
    with pytest.raises(BadParameter):
        share_of(text)


def test_the_shipped_pipeline_promotes_after_everything_else():
    [definition] = shipped_pipelines()
    assert definition.tasks[-1].type == "promote"
    assert Counter(task.type for task in definition.tasks)["reembed"] == 2


def report(task: str, state: TaskState, progress: Progress | None = None) -> RunReport:
    return RunReport(
        run="r1",
        pipeline="migrate-collection",
        version="1",
        state=PipelineRunState.RUNNING,
        parameters={},
        tasks=(TaskReport(name=task, type="any", state=state, attempts=1, progress=progress),),
        results={},
        progress=Progress(stage="tasks", done=2, total=10, unit="tasks"),
        started_at=NOW - timedelta(minutes=1),
    )


def test_progress_says_how_long_the_filling_takes_and_for_whom_it_waits():
    filling = Filling(sent=6_000, total=10_000, waiting=1_000, rate=50.0)
    embedding = report(
        "fill", TaskState.RUNNING, Progress(stage="embedding anew", done=5_000, total=10_000, unit="items")
    )
    told = "tasks: 2 of 10 tasks (20%); fill: embedding anew: 5,000 of 10,000 items (50%)"
    assert progress_of(embedding, filling) == ("fill", f"{told}, 50 a second, 0:01:40 left")
    assert progress_of(embedding, filling.model_copy(update={"is_done": True})) == ("fill", told)
    told = "tasks: 2 of 10 tasks (20%); approval: waiting for a reviewer"
    assert progress_of(report("approval", TaskState.IN_REVIEW), None) == ("approval", told)
