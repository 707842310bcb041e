"""Asks the active orchestrator about pipelines and their runs."""

from typing import TypeVar

from pydantic import BaseModel

from sightwire.bus.connection import Bus
from sightwire.bus.orchestrator import ask_orchestrator
from sightwire.contracts import subjects
from sightwire.contracts.execution_metrics import ControlPlaneHealth, PipelineMetrics
from sightwire.contracts.pipeline_control import (
    DrawPipeline,
    ListPipelines,
    ListRuns,
    PipelineDrawing,
    PipelineList,
    PipelinesRequest,
    PipelineSummary,
    ReadHealth,
    ReadMetrics,
    ReadPipeline,
    ReadRun,
    RunList,
    RunReport,
    StartRun,
    SteerRun,
    SubmitPipeline,
)
from sightwire.contracts.pipelines import PipelineDefinition

Answer = TypeVar("Answer", bound=BaseModel)


class PipelinesClient:
    """Requests of `sightwire.contracts.pipeline_control`.

    All raise as `sightwire.bus.orchestrator.ask_orchestrator` does.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def submit(self, request: SubmitPipeline) -> PipelineSummary:
        """Stores a definition."""
        return await self._ask(request, PipelineSummary)

    async def pipelines(self) -> PipelineList:
        """The newest version of each pipeline."""
        return await self._ask(ListPipelines(), PipelineList)

    async def pipeline(self, name: str, version: str | None = None) -> PipelineDefinition:
        """A definition; without a version the newest."""
        return await self._ask(ReadPipeline(pipeline=name, version=version), PipelineDefinition)

    async def drawing(self, name: str, version: str | None = None) -> PipelineDrawing:
        """A definition as a graph; without a version of the newest."""
        return await self._ask(DrawPipeline(pipeline=name, version=version), PipelineDrawing)

    async def start(self, request: StartRun) -> RunReport:
        """Begins a run."""
        return await self._ask(request, RunReport)

    async def run(self, run: str) -> RunReport:
        """How a run stands."""
        return await self._ask(ReadRun(run=run), RunReport)

    async def runs(self, request: ListRuns) -> RunList:
        """A page of runs."""
        return await self._ask(request, RunList)

    async def metrics(self, request: ReadMetrics) -> PipelineMetrics:
        """What is counted of a pipeline."""
        return await self._ask(request, PipelineMetrics)

    async def health(self) -> ControlPlaneHealth:
        """How pipelines, models, cache and reviewers are."""
        return await self._ask(ReadHealth(), ControlPlaneHealth)

    async def steer(self, request: SteerRun) -> RunReport:
        """Pauses, resumes, cancels or retries a run."""
        return await self._ask(request, RunReport)

    async def _ask(self, request: PipelinesRequest, answer: type[Answer]) -> Answer:
        return await ask_orchestrator(self._bus, subjects.CONTROL_PIPELINES, request, answer)
