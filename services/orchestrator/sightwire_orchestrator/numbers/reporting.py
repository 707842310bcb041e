"""What is told of a pipeline's numbers."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from sightwire.contracts.execution_metrics import MetricsPoint, PipelineMetrics
from sightwire_orchestrator.numbers.recorder import HOUR, MINUTE, MINUTES_KEPT
from sightwire_orchestrator.numbers.samples import WHOLE_RUN, Interval, Sample, begin_of

#: At least so many; the interval of a point is made longer until there are no more than twice as many.
_POINTS: Final = 60


def resolution_for(span: timedelta) -> int:
    """Seconds of the intervals that tell of such a span until now."""
    return MINUTE if span <= MINUTES_KEPT else HOUR


def pipeline_metrics(
    pipeline: str, samples: Mapping[Interval, Sample], since: datetime, until: datetime, *, task: str | None = None
) -> PipelineMetrics:
    """Figures of samples of one pipeline, all of one resolution; the history is of runs, and of attempts of `task`."""
    span = until - since
    seconds = resolution_for(span)
    step = max(int(span.total_seconds()) // _POINTS // seconds, 1) * seconds
    by_task: dict[str, Sample] = defaultdict(Sample)
    runs_by_time: dict[datetime, Sample] = defaultdict(Sample)
    attempts_by_time: dict[datetime, Sample] = defaultdict(Sample)
    for interval, sample in samples.items():
        by_task[interval.task] += sample
        if interval.task == WHOLE_RUN:
            runs_by_time[begin_of(interval.at, step)] += sample
        elif interval.task == task:
            attempts_by_time[begin_of(interval.at, step)] += sample
    runs = by_task.pop(WHOLE_RUN, Sample())
    return PipelineMetrics(
        pipeline=pipeline,
        since=since,
        until=until,
        runs=runs.figures(span),
        tasks={task: sample.figures(span) for task, sample in sorted(by_task.items())},
        history=tuple(
            MetricsPoint(
                at=at,
                runs=runs_by_time[at].figures(timedelta(seconds=step)),
                attempts=None if task is None else attempts_by_time[at].figures(timedelta(seconds=step)),
            )
            for at in sorted(runs_by_time.keys() | attempts_by_time.keys())
        ),
    )
