"""What is counted of runs and tasks, kept, and told."""

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sightwire_orchestrator.numbers.durations import Durations
from sightwire_orchestrator.numbers.recorder import HOUR, MINUTE, MetricsRecorder
from sightwire_orchestrator.numbers.reporting import pipeline_metrics
from sightwire_orchestrator.numbers.samples import WHOLE_RUN, Interval, Sample, begin_of
from sightwire_orchestrator.numbers.store import SampleStore
from sightwire_orchestrator.storage.database import Database

from services.orchestrator.tests.orchestrator_world import orchestrator_world
from sightwire.contracts.execution_metrics import PipelineMetrics
from sightwire.contracts.pipeline_control import ReadMetrics
from sightwire.errors import NotFoundError
from sightwire.platform.nats_server import NatsServer
from tests.plugin.waiting import Eventually

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
SECONDS = st.floats(min_value=2e-4, max_value=1e6)


def of_all(seconds: Sequence[float]) -> Durations:
    together = Durations()
    for each in seconds:
        together += Durations.of(each)
    return together


@given(st.lists(SECONDS, min_size=1, max_size=60), st.floats(min_value=0.01, max_value=1))
def test_percentiles_are_within_five_percent(seconds: list[float], share: float) -> None:
    exact = sorted(seconds)[max(math.ceil(share * len(seconds)), 1) - 1]
    assert of_all(seconds).quantile(share) == pytest.approx(exact, rel=0.05)


@given(st.lists(SECONDS, max_size=40), st.integers(min_value=0, max_value=40))
def test_adding_up_parts_gives_the_whole(seconds: list[float], cut: int) -> None:
    whole, parts = of_all(seconds), of_all(seconds[:cut]) + of_all(seconds[cut:])
    assert (whole.count, whole.least, whole.most, dict(whole.buckets)) == (
        len(seconds),
        min(seconds, default=math.inf),
        max(seconds, default=0.0),
        dict(parts.buckets),
    )
    assert parts.total == pytest.approx(sum(seconds))


def test_what_is_shorter_than_anything_is_counted() -> None:
    durations = of_all([0.0, -1.0, 1e-9])
    assert (durations.count, durations.quantile(0.99)) == (3, 1e-9)


def sample(succeeded: int, failed: int, seconds: float) -> Sample:
    return Sample(succeeded=succeeded, failed=failed, durations=of_all([seconds] * (succeeded + failed)))


def test_figures_of_some_time() -> None:
    def minute(task: str, number: int) -> Interval:
        return Interval("p", task, MINUTE, NOON + timedelta(minutes=number))

    samples = {
        minute(WHOLE_RUN, 0): sample(3, 1, 2.0),
        minute(WHOLE_RUN, 7): sample(4, 0, 4.0),
        minute("t", 7): sample(8, 0, 1.0),
    }
    told = pipeline_metrics("p", samples, NOON, NOON + timedelta(minutes=10))
    assert (told.runs.count, told.runs.success_rate, told.runs.throughput) == (8, 7 / 8, 8 / 600)
    assert told.runs.seconds is not None
    assert (told.runs.seconds.minimum, told.runs.seconds.mean, told.runs.seconds.maximum) == (2.0, 3.0, 4.0)
    assert list(told.tasks) == ["t"]
    assert [(point.at, point.runs.count, point.attempts) for point in told.history] == [
        (NOON, 4, None),
        (NOON + timedelta(minutes=7), 4, None),
    ]
    told = pipeline_metrics("p", samples | {minute("t", 8): sample(1, 1, 1.0)}, NOON, told.until, task="t")
    assert [(point.runs.count, point.attempts and point.attempts.count) for point in told.history] == [
        (4, 0),
        (4, 8),
        (0, 2),
    ]


def test_nothing_has_no_success_rate() -> None:
    told = pipeline_metrics("p", {}, NOON, NOON + timedelta(hours=1))
    assert (told.runs.count, told.runs.success_rate, told.runs.seconds, told.history) == (0, None, None, ())


async def test_samples_are_added_to_stored_ones_and_deleted_when_old(database: Database) -> None:
    store = SampleStore(database)
    now = datetime.now(UTC)
    fresh = Interval("p", "t", MINUTE, begin_of(now, MINUTE))
    old = Interval("p", "t", MINUTE, begin_of(now - timedelta(days=3), MINUTE))
    by_hour = Interval("p", "t", HOUR, begin_of(now - timedelta(days=3), HOUR))
    other = Interval("other", "", MINUTE, begin_of(now, MINUTE))
    await store.add({fresh: sample(1, 0, 0.5), old: sample(1, 0, 1.0), by_hour: sample(2, 0, 1.0)})
    await store.add({fresh: sample(0, 2, 7.5), other: sample(1, 0, 1.0)})
    await MetricsRecorder(store, kept=timedelta(days=5)).delete_old(now)

    since, until = now - timedelta(days=9), now + timedelta(minutes=1)
    assert await store.read(since, until, seconds=MINUTE) == {
        fresh: sample(1, 0, 0.5) + sample(0, 2, 7.5),
        other: sample(1, 0, 1.0),
    }
    assert await store.read(since, until, seconds=HOUR, pipeline="p") == {by_hour: sample(2, 0, 1.0)}
    await MetricsRecorder(store, kept=timedelta(days=2)).delete_old(now)
    assert await store.read(since, until, seconds=HOUR) == {}


@pytest.mark.timeout(120)
async def test_runs_and_attempts_are_counted(
    module_nats_server: NatsServer, tmp_path: Path, unique_name: Callable[..., str], eventually: Eventually
) -> None:
    name = unique_name("counted")
    definition = {
        "name": name,
        "tasks": [
            {
                "name": "flaky",
                "type": "flaky",
                "parameters": {"failures": 1},
                "retry": {"max_attempts": 2, "initial_delay": 0.01},
            },
            {"name": "each", "type": "echo", "map": "{xs}"},
            {"name": "late", "type": "hanging", "timeout": 0.3, "optional": True},
        ],
        "global_parameters": {"xs": [1, 2, 3]},
    }
    unmonitored = {**definition, "name": f"{name}-not", "enable_monitoring": False}
    async with orchestrator_world(module_nats_server, tmp_path) as world:
        async with world.service(), world.worker():
            for run in [await world.begin(each) for each in (definition, unmonitored)]:
                await world.end_of(run)
        # What was counted last is stored when a term ends; another one reads it.
        async with world.service():

            async def counted(pipeline: str) -> PipelineMetrics:
                return await world.client.metrics(ReadMetrics(pipeline=pipeline))

            told = await counted(name)
            assert (told.runs.count, told.runs.succeeded) == (1, 1)
            attempts = {task: (figures.succeeded, figures.failed) for task, figures in told.tasks.items()}
            assert attempts == {"flaky": (1, 1), "each": (3, 0), "late": (0, 1)}
            late = told.tasks["late"].seconds
            assert late is not None
            assert late.mean == pytest.approx(0.3, abs=0.2)
            assert (await counted(f"{name}-not")).runs.count == 0
            with pytest.raises(NotFoundError):
                await counted("nobody-knows-it")
