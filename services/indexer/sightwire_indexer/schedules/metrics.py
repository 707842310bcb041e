"""What is counted of schedules."""

from prometheus_client import Counter, Gauge

from sightwire.contracts.schedules import Outcome, ScheduleRecord

RUNS = Counter(
    "sightwire_indexer_schedule_runs_total", "Runs of schedules that ended", ["collection", "schedule", "outcome"]
)
PAUSED = Gauge(
    "sightwire_indexer_schedule_paused",
    "1 for a schedule that does not run by itself, whether a person paused it or failures did",
    ["collection", "schedule"],
)
FAILURES = Gauge(
    "sightwire_indexer_schedule_consecutive_failures",
    "Failures of a schedule since its last success",
    ["collection", "schedule"],
)


def observe(record: ScheduleRecord) -> None:
    """Records how a schedule stands."""
    PAUSED.labels(record.collection, record.name).set(record.paused is not None)
    FAILURES.labels(record.collection, record.name).set(record.consecutive_failures)


def count_run(record: ScheduleRecord, outcome: Outcome) -> None:
    """Counts a run that ended."""
    RUNS.labels(record.collection, record.name, outcome.value).inc()


def forget(collection: str, schedule: str) -> None:
    """Removes the series of a schedule that was deleted, or whose collection has another owner now."""
    for metric in (RUNS, PAUSED, FAILURES):
        metric.remove_by_labels({"collection": collection, "schedule": schedule})
