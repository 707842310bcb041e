"""What workers count."""

from typing import Final

from prometheus_client import Counter, Histogram

from sightwire.contracts.pipelines import TaskResult

_ATTEMPTS: Final = Counter(
    "sightwire_tasks_total",
    "Attempts of tasks that ended here, by type and outcome: `succeeded` or a code of errors",
    ["type", "outcome"],
)
_SECONDS: Final = Histogram(
    "sightwire_task_seconds",
    "Time that an attempt took",
    ["type"],
    buckets=(0.005, 0.02, 0.1, 0.5, 2, 10, 60, 300, 1800, 7200),
)


def count_attempt(task_type: str, result: TaskResult) -> None:
    """Records what became of an attempt."""
    _ATTEMPTS.labels(task_type, "succeeded" if result.error is None else result.error.code).inc()
    _SECONDS.labels(task_type).observe((result.ended_at - result.started_at).total_seconds())
