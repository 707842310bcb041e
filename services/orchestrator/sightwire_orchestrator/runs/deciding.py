"""What is to be done about a run now."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice

from sightwire.contracts.pipelines import PipelineRunState, TaskError, TaskName, TaskState
from sightwire.errors import SightwireError
from sightwire_orchestrator.runs.actions import (
    Action,
    CancelAttempt,
    EndRun,
    Note,
    SendOrder,
    WakeAt,
    WithdrawReview,
)
from sightwire_orchestrator.runs.agenda import due_by
from sightwire_orchestrator.runs.asking import review_of
from sightwire_orchestrator.runs.events import RunTimedOut, TaskMapped, TaskRefused, TaskSkipped
from sightwire_orchestrator.runs.orders import order_for
from sightwire_orchestrator.runs.plan import Plan
from sightwire_orchestrator.runs.state import Ending, ReviewState, Run, TaskRecord
from sightwire_orchestrator.runs.values import condition_holds, elements_of, results_of


def decide(plan: Plan, run: Run, now: datetime) -> tuple[Action, ...]:
    """What is to be done. Asked again for the same run and time, the answer is the same.

    The events of the actions are to be applied in order; then more may follow, so decide again, until no action has
    one: `step` does that. What it costs depends on what there is to do, not on how many tasks or elements there are.

    Args:
        plan: of the run's definition.
        run: as it stands.
        now: aware; attempts and runs whose time is over by then are ended.
    """
    if run.state.is_final:
        return ()
    if run.ending is not None:
        return tuple(_ending(plan, run, run.ending))
    if not run.unfinished:
        return (_success(plan, run),)
    is_paused = run.state is PipelineRunState.PAUSED
    if run.deadline is not None and run.deadline <= now and not is_paused:
        return (Note(consequence=RunTimedOut()),)
    late = tuple(_timeouts(plan, run, now))
    if late:
        # Before anything begins: they make room, and their retries may be due at once.
        return late
    actions: list[Action] = [review_of(plan, run, name) for name in run.reviews_due]
    if not is_paused:
        actions += _beginnings(plan, run, now)
    wake_at = _next_time(run, now)
    if wake_at is not None:
        actions.append(WakeAt(at=wake_at))
    return tuple(actions)


def _timeouts(plan: Plan, run: Run, now: datetime) -> Iterator[Action]:
    for due in run.deadlines[: due_by(run.deadlines, now)]:
        yield _cancellation(plan, run, due.task, due.unit, is_late=True)


def _cancellation(plan: Plan, run: Run, name: TaskName, index: int, *, is_late: bool) -> CancelAttempt:
    return CancelAttempt(
        run=run.id,
        task=name,
        element=None if plan.tasks[name].map is None else index,
        attempt=run.tasks[name].unit(index).attempt,
        reason="attempt timed out" if is_late else "run ends",
    )


def _beginnings(plan: Plan, run: Run, now: datetime) -> Iterator[Action]:
    """Retries that are due first, then tasks in the order of the definition, then elements in theirs.

    Up to the first task that does not just begin, for what comes of that may be earlier in the order than the rest.
    """
    free = plan.definition.max_parallel_tasks - run.running_units
    if free <= 0:
        return
    for due in islice(run.retries, min(free, due_by(run.retries, now))):
        yield _begin_unit(plan, run, due.task, due.unit, now)
        free -= 1
    for position in run.ready:
        if free <= 0:
            return
        for action in _begin_task(plan, run, plan.definition.tasks[position].name, free, now):
            yield action
            if isinstance(action, Note):
                return
            free -= 1


def _begin_task(plan: Plan, run: Run, name: TaskName, most: int, now: datetime) -> Iterator[Action]:
    """Actions for at most so many units."""
    record = run.tasks[name]
    try:
        if record.state is TaskState.WAITING and not condition_holds(plan, run, name):
            yield Note(consequence=TaskSkipped(task=name))
            return
        if record.size is None:
            yield Note(consequence=TaskMapped(task=name, size=len(elements_of(plan, run, name))))
            return
    except SightwireError as error:
        yield Note(consequence=TaskRefused(task=name, error=_refusal(error)))
        return
    for index in islice(_units_that_wait(record), most):
        yield _begin_unit(plan, run, name, index, now)


def _units_that_wait(record: TaskRecord) -> Iterator[int]:
    assert record.size is not None
    return (index for index in range(record.next_unit, record.size) if record.unit(index).state is TaskState.WAITING)


def _begin_unit(plan: Plan, run: Run, name: TaskName, index: int, now: datetime) -> Action:
    attempt = run.tasks[name].unit(index).attempt + 1
    deadline = now + timedelta(seconds=plan.tasks[name].timeout)
    try:
        return SendOrder(order=order_for(plan, run, name, index, attempt, deadline))
    except SightwireError as error:
        element = None if plan.tasks[name].map is None else index
        return Note(consequence=TaskRefused(task=name, element=element, error=_refusal(error)))


def _refusal(error: SightwireError) -> TaskError:
    return TaskError(code=error.code, detail=error.detail)


def _success(plan: Plan, run: Run) -> EndRun:
    try:
        results = results_of(plan, run)
    except SightwireError as error:
        ending = Ending(state=PipelineRunState.FAILED, error=_refusal(error))
        return EndRun(run=run.id, ending=ending, results={})
    return EndRun(run=run.id, ending=Ending(state=PipelineRunState.SUCCEEDED), results=results)


def _ending(plan: Plan, run: Run, ending: Ending) -> Iterator[Action]:
    for due in run.deadlines:
        yield _cancellation(plan, run, due.task, due.unit, is_late=False)
    for name, record in run.tasks.items():
        review = record.review
        is_in_review = record.state is TaskState.IN_REVIEW and review is not None
        if is_in_review and review is not None and review.state is ReviewState.ASKED:
            yield WithdrawReview(run=run.id, task=name, round=review.round)
    yield EndRun(run=run.id, ending=ending, results={})


def _next_time(run: Run, now: datetime) -> datetime | None:
    """When something is due next, of what is not due yet: for a retry that is, only a free place is missing."""
    times = [due.at for due in run.deadlines[due_by(run.deadlines, now) :][:1]]
    if run.state is PipelineRunState.RUNNING:
        times += [due.at for due in run.retries[due_by(run.retries, now) :][:1]]
        times += [run.deadline] if run.deadline is not None else []
    return min(times, default=None)
