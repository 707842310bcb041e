"""What is counted of a pipeline's runs, or of one of its tasks, within an interval."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from sightwire.contracts.execution_metrics import DurationFigures, ExecutionFigures
from sightwire.contracts.pipelines import PipelineRunState
from sightwire_orchestrator.numbers.durations import Durations
from sightwire_orchestrator.runs.events import AttemptTimedOut, ResultArrived, RunEnded
from sightwire_orchestrator.runs.plan import Plan
from sightwire_orchestrator.runs.state import Run
from sightwire_orchestrator.storage.run_changes import Happening

#: Name of the task in samples of whole runs.
WHOLE_RUN: Final = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """Adds up with others."""

    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    durations: Durations = field(default_factory=Durations)

    def __add__(self, other: "Sample") -> "Sample":
        return Sample(
            self.succeeded + other.succeeded,
            self.failed + other.failed,
            self.cancelled + other.cancelled,
            self.durations + other.durations,
        )

    @property
    def count(self) -> int:
        return self.succeeded + self.failed + self.cancelled

    @property
    def success_rate(self) -> float | None:
        """Of those that were not cancelled; None when there are none."""
        decided = self.succeeded + self.failed
        return self.succeeded / decided if decided else None

    def figures(self, span: timedelta) -> ExecutionFigures:
        """As it is told, of what ended within so long."""
        durations = self.durations
        return ExecutionFigures(
            count=self.count,
            succeeded=self.succeeded,
            failed=self.failed,
            cancelled=self.cancelled,
            success_rate=self.success_rate,
            throughput=self.count / span.total_seconds(),
            seconds=None
            if not durations.count
            else DurationFigures(
                minimum=durations.least,
                mean=durations.mean,
                maximum=durations.most,
                p50=durations.quantile(0.5),
                p95=durations.quantile(0.95),
                p99=durations.quantile(0.99),
            ),
        )


@dataclass(frozen=True, slots=True)
class Interval:
    """What a sample is of: a task of a pipeline, or its whole runs, within `seconds` from `at` on."""

    pipeline: str
    task: str
    seconds: int
    at: datetime


def begin_of(moment: datetime, seconds: int) -> datetime:
    """When the interval of so many seconds began in which a moment is."""
    return datetime.fromtimestamp(int(moment.timestamp()) // seconds * seconds, UTC)


def samples_of(plan: Plan, run: Run, happenings: Sequence[Happening]) -> Iterator[tuple[str, datetime, Sample]]:
    """What is to be counted of a turn: the task, when, and the sample.

    Args:
        run: after the happenings.
    """
    for happening in happenings:
        event = happening.event
        if isinstance(event, ResultArrived):
            result = event.result
            if not result.cached:
                durations = Durations.of((result.ended_at - result.started_at).total_seconds())
                is_success = result.error is None
                sample = Sample(succeeded=int(is_success), failed=int(not is_success), durations=durations)
                yield result.task, happening.at, sample
        elif isinstance(event, AttemptTimedOut):
            durations = Durations.of(plan.tasks[event.task].timeout)
            yield event.task, happening.at, Sample(failed=1, durations=durations)
        elif isinstance(event, RunEnded):
            durations = Durations.of((happening.at - run.started_at).total_seconds())
            state = event.ending.state
            yield (
                WHOLE_RUN,
                happening.at,
                Sample(
                    succeeded=int(state is PipelineRunState.SUCCEEDED),
                    failed=int(state is PipelineRunState.FAILED),
                    cancelled=int(state is PipelineRunState.CANCELLED),
                    durations=durations,
                ),
            )
