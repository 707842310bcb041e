"""What is told of runs and pipelines."""

from sightwire.contracts.operations import Progress
from sightwire.contracts.pipeline_control import PipelineSummary, RunReport, TaskReport
from sightwire.contracts.pipelines import TaskDefinition, TaskState
from sightwire_orchestrator.execution.progress import ProgressBoard
from sightwire_orchestrator.runs.plan import Plan
from sightwire_orchestrator.runs.state import Run, TaskRecord
from sightwire_orchestrator.storage.pipeline_store import StoredPipeline


def pipeline_summary(stored: StoredPipeline) -> PipelineSummary:
    """A stored definition, without its tasks."""
    definition = stored.definition
    return PipelineSummary(
        name=definition.name,
        version=definition.version,
        number=stored.number,
        description=definition.description,
        tasks=len(definition.tasks),
        sha256=stored.sha256,
        registered_at=stored.registered_at,
    )


def run_report(plan: Plan, run: Run, board: ProgressBoard) -> RunReport:
    """How a run and its tasks stand."""
    return RunReport(
        run=run.id,
        pipeline=run.pipeline,
        version=run.version,
        state=run.state,
        parameters=run.parameters,
        tasks=tuple(_task_report(run, task, board) for task in plan.definition.tasks),
        results=run.results,
        failed_task=None if run.ending is None else run.ending.task,
        error=None if run.ending is None else run.ending.error,
        progress=Progress(stage="tasks", done=len(run.tasks) - run.unfinished, total=len(run.tasks), unit="tasks"),
        started_at=run.started_at,
        deadline=run.deadline,
        ended_at=run.ended_at,
    )


def _task_report(run: Run, task: TaskDefinition, board: ProgressBoard) -> TaskReport:
    record = run.tasks[task.name]
    units = [record.unit(index) for index in range(record.size or 0)]
    return TaskReport(
        name=task.name,
        type=task.type,
        state=record.state,
        attempts=sum(unit.attempt for unit in units),
        elements=None if task.map is None else record.size,
        cached=sum(unit.cached for unit in units),
        progress=_progress(run, task, record, board),
        started_at=record.started_at,
        ended_at=record.ended_at,
        output=record.output,
        error=record.error,
    )


def _progress(run: Run, task: TaskDefinition, record: TaskRecord, board: ProgressBoard) -> Progress | None:
    if record.state is not TaskState.RUNNING or record.size is None:
        return None
    if task.map is not None:
        done = record.size - record.open_units
        return Progress(stage="elements", done=done, total=record.size, unit="elements")
    return board.of_attempt(run.id, task.name, record.unit(0).attempt)
