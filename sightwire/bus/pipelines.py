"""Asks the active orchestrator about pipelines and their runs."""

from typing import Final, TypeVar

from nats.errors import NoRespondersError
from pydantic import BaseModel

from sightwire.bus.connection import Bus
from sightwire.bus.control import ANSWER_SECONDS, ask
from sightwire.contracts import subjects
from sightwire.contracts.pipeline_control import (
    ListPipelines,
    ListRuns,
    PipelineList,
    PipelinesRequest,
    PipelineSummary,
    ReadPipeline,
    ReadRun,
    RunList,
    RunReport,
    StartRun,
    SteerRun,
    SubmitPipeline,
)
from sightwire.contracts.pipelines import PipelineDefinition
from sightwire.errors import UnavailableError

Answer = TypeVar("Answer", bound=BaseModel)

NOBODY_ANSWERS: Final = (
    "no orchestrator is active now; one takes over within seconds if any runs (python -m sightwire_orchestrator), "
    "then try again"
)


class PipelinesClient:
    """Requests of `sightwire.contracts.pipeline_control`.

    All raise UnavailableError when no orchestrator is active or the bus is away, DeadlineError when no answer came in
    time, and otherwise what the orchestrator answered: NotFoundError, ConflictError, InvalidInputError.
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

    async def start(self, request: StartRun) -> RunReport:
        """Begins a run."""
        return await self._ask(request, RunReport)

    async def run(self, run: str) -> RunReport:
        """How a run stands."""
        return await self._ask(ReadRun(run=run), RunReport)

    async def runs(self, request: ListRuns) -> RunList:
        """A page of runs."""
        return await self._ask(request, RunList)

    async def steer(self, request: SteerRun) -> RunReport:
        """Pauses, resumes, cancels or retries a run."""
        return await self._ask(request, RunReport)

    async def _ask(self, request: PipelinesRequest, answer: type[Answer]) -> Answer:
        try:
            said = await ask(self._bus, subjects.CONTROL_PIPELINES, request, timeout=ANSWER_SECONDS)
        except NoRespondersError:
            raise UnavailableError(NOBODY_ANSWERS) from None
        return answer.model_validate(said)
