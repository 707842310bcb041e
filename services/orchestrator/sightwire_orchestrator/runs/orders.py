"""Orders for attempts, and what a run has said that may not have been heard."""

from collections.abc import Iterator
from datetime import datetime

from sightwire.contracts.pipelines import TaskName, TaskOrder
from sightwire_orchestrator.runs.plan import Plan
from sightwire_orchestrator.runs.state import Run
from sightwire_orchestrator.runs.values import idempotency_key_of, parameters_of


def order_for(plan: Plan, run: Run, name: TaskName, index: int, attempt: int, deadline: datetime) -> TaskOrder:
    """The order for an attempt of a unit.

    Raises:
        InvalidInputError: a reference stands for nothing.
    """
    task, review = plan.tasks[name], run.tasks[name].review
    element = None if task.map is None else index
    return TaskOrder(
        run=run.id,
        pipeline=run.pipeline,
        task=name,
        type=task.type,
        element=element,
        attempt=attempt,
        model=task.model,
        parameters=parameters_of(plan, run, name, element),
        idempotency_key=idempotency_key_of(plan, run, name, element),
        feedback=None if review is None else review.comment,
        deadline=deadline,
    )


def running_orders(plan: Plan, run: Run) -> Iterator[TaskOrder]:
    """Orders of all attempts that run, as they were sent: after a crash nobody knows which of them were."""
    for due in run.deadlines:
        attempt = run.tasks[due.task].unit(due.unit).attempt
        yield order_for(plan, run, due.task, due.unit, attempt, due.at)
