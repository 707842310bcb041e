"""Answers what is asked of numbers."""

from datetime import UTC, datetime, timedelta

from sightwire.contracts.execution_metrics import PipelineMetrics
from sightwire.contracts.pipeline_control import ReadMetrics
from sightwire_orchestrator.numbers.reporting import pipeline_metrics, resolution_for
from sightwire_orchestrator.numbers.samples import begin_of
from sightwire_orchestrator.numbers.store import SampleStore


class NumbersDesk:
    """What was counted, as it is told."""

    def __init__(self, samples: SampleStore) -> None:
        self._samples = samples

    async def metrics(self, request: ReadMetrics) -> PipelineMetrics:
        """Of a pipeline, within the last so many seconds; the first interval counts whole."""
        until = datetime.now(UTC)
        span = timedelta(seconds=request.seconds)
        resolution = resolution_for(span)
        since = begin_of(until - span, resolution)
        samples = await self._samples.read(since, until, seconds=resolution, pipeline=request.pipeline)
        return pipeline_metrics(request.pipeline, samples, since, until, task=request.task)
