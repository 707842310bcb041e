"""What the orchestrator counts of runs."""

from typing import Final

from prometheus_client import Counter, Gauge

IS_ACTIVE: Final = Gauge(
    "sightwire_orchestrator_active", "1 on the orchestrator that carries runs on, 0 on those that stand by"
)
ACTIVE_RUNS: Final = Gauge("sightwire_pipeline_runs_active", "Runs that have not ended, on the active orchestrator")
SET_ASIDE: Final = Counter(
    "sightwire_pipeline_runs_set_aside_total", "Runs that could not be carried on; the next start tries again"
)
_ENDED: Final = Counter(
    "sightwire_pipeline_runs_total", "Runs that ended, by pipeline and state", ["pipeline", "state"]
)

_CALLBACKS: Final = Counter("sightwire_pipeline_callbacks_total", "Webhooks of ended runs, by outcome", ["outcome"])


def count_end(pipeline: str, state: str) -> None:
    """Records that a run ended."""
    _ENDED.labels(pipeline, state).inc()


def count_callback(outcome: str) -> None:
    """Records that a webhook was sent, or given up."""
    _CALLBACKS.labels(outcome).inc()
