"""The run before anything has happened."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from pydantic import JsonValue

from sightwire.contracts.pipelines import RunId
from sightwire_orchestrator.runs.plan import Plan
from sightwire_orchestrator.runs.state import Run, TaskRecord


def new_run(
    plan: Plan, run: RunId, parameters: Mapping[str, JsonValue], now: datetime, *, traceparent: str = ""
) -> Run:
    """A run that begins now; `decide` says with what.

    Args:
        plan: of the definition that it carries out to its end, whatever becomes of the pipeline meanwhile.
        run: its id.
        parameters: take precedence over the definition's global parameters of the same name.
        now: aware.
        traceparent: of the span that its attempts follow.
    """
    definition = plan.definition
    tasks = {
        task.name: TaskRecord(
            open_dependencies=len(plan.dependencies[task.name]),
            size=None if task.map is not None else 1,
            open_units=0 if task.map is not None else 1,
        )
        for task in definition.tasks
    }
    return Run(
        id=run,
        pipeline=definition.name,
        version=definition.version,
        parameters=dict(parameters),
        tasks=tasks,
        ready=tuple(plan.positions[name] for name, record in tasks.items() if not record.open_dependencies),
        unfinished=len(tasks),
        started_at=now,
        deadline=run_deadline(plan, now),
        traceparent=traceparent,
    )


def run_deadline(plan: Plan, now: datetime) -> datetime | None:
    """When a run that begins now, or is taken up again, is to have ended."""
    timeout = plan.definition.timeout
    return None if timeout is None else now + timedelta(seconds=timeout)
