"""Answers requests on `control.pipelines`, as long as this orchestrator is the active one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import assert_never

from pydantic import BaseModel
from uuid_utils import uuid7

from sightwire.bus.connection import Bus
from sightwire.bus.responding import Responder
from sightwire.contracts import subjects
from sightwire.contracts.pipeline_control import (
    PIPELINES_REQUESTS,
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
    RunSummary,
    StartRun,
    SteerRun,
    SubmitPipeline,
)
from sightwire.contracts.pipelines import PipelineDefinition
from sightwire_orchestrator.control.reports import pipeline_summary, run_report
from sightwire_orchestrator.definitions.drawing import mermaid
from sightwire_orchestrator.definitions.reading import read_definition
from sightwire_orchestrator.execution.engine import Engine
from sightwire_orchestrator.execution.progress import ProgressBoard
from sightwire_orchestrator.numbers.desk import NumbersDesk
from sightwire_orchestrator.numbers.health_desk import HealthDesk
from sightwire_orchestrator.runs.events import Message, RunCancelled, RunPaused, RunResumed, RunRetried
from sightwire_orchestrator.runs.plan import Plan
from sightwire_orchestrator.runs.state import Run
from sightwire_orchestrator.storage.pipeline_store import PipelineStore
from sightwire_orchestrator.storage.run_pages import RunFilter
from sightwire_orchestrator.storage.run_store import RunStore
from sightwire_orchestrator.tasks.registry import HandlerRegistry


class PipelinesDesk:
    """Definitions and runs, for those who ask over the bus.

    Args:
        handlers: of the types of tasks that definitions may have.
        board: what running tasks tell.
    """

    def __init__(
        self,
        bus: Bus,
        engine: Engine,
        runs: RunStore,
        pipelines: PipelineStore,
        handlers: HandlerRegistry,
        board: ProgressBoard,
        numbers: NumbersDesk,
        health: HealthDesk,
    ) -> None:
        self._bus = bus
        self._engine = engine
        self._runs = runs
        self._pipelines = pipelines
        self._handlers = handlers
        self._board = board
        self._numbers = numbers
        self._health = health

    @asynccontextmanager
    async def answering(self) -> AsyncIterator[None]:
        """Answers requests while the block runs."""
        responder = Responder(self._bus, subjects.CONTROL_PIPELINES, PIPELINES_REQUESTS, self.answer)
        async with responder.answering():
            yield

    async def answer(self, request: PipelinesRequest) -> BaseModel:
        """What is asked for; see `sightwire.contracts.pipeline_control`."""
        match request:
            case SubmitPipeline():
                return await self._submit(request)
            case ListPipelines():
                newest = await self._pipelines.newest()
                return PipelineList(pipelines=tuple(pipeline_summary(stored) for stored in newest))
            case ReadPipeline():
                return (await self._pipelines.get(request.pipeline, request.version)).definition
            case DrawPipeline():
                stored = await self._pipelines.get(request.pipeline, request.version)
                return PipelineDrawing(mermaid=await asyncio.to_thread(mermaid, stored.definition))
            case StartRun():
                return await self._start(request)
            case ReadRun():
                return self._report(*await self._engine.read(request.run))
            case ListRuns():
                return await self._list(request)
            case ReadMetrics():
                await self._pipelines.get(request.pipeline)
                return await self._numbers.metrics(request)
            case ReadHealth():
                return await self._health.health()
            case SteerRun():
                return self._report(*await self._engine.tell(request.run, _message(request)))
            case _:
                assert_never(request)

    async def _submit(self, request: SubmitPipeline) -> PipelineSummary:
        definition = await asyncio.to_thread(self._read, request)
        return pipeline_summary(await self._pipelines.put(definition))

    def _read(self, request: SubmitPipeline) -> PipelineDefinition:
        handlers = None if request.any_type else self._handlers
        return read_definition(request.definition, origin=request.origin, handlers=handlers)

    async def _start(self, request: StartRun) -> RunReport:
        run = request.run or uuid7().hex
        return self._report(*await self._engine.begin(request.pipeline, request.version, request.parameters, run))

    def _report(self, plan: Plan, run: Run) -> RunReport:
        return run_report(plan, run, self._board)

    async def _list(self, request: ListRuns) -> RunList:
        wanted = RunFilter(pipeline=request.pipeline, states=frozenset(request.states))
        page = await self._runs.list(wanted, limit=request.limit, cursor=request.cursor)
        return RunList(
            runs=tuple(RunSummary.model_validate(summary) for summary in page.runs), next_cursor=page.next_cursor
        )


def _message(request: SteerRun) -> Message:
    match request.action:
        case "pause":
            return RunPaused(by=request.by)
        case "resume":
            return RunResumed(by=request.by)
        case "cancel":
            return RunCancelled(by=request.by, reason=request.reason)
        case "retry":
            return RunRetried(by=request.by)
