"""What becomes of a whole run: pause, resumption, end, and being taken up again."""

from dataclasses import replace
from typing import Final

from sightwire.contracts.pipelines import PipelineRunState, TaskError, TaskState
from sightwire.errors import ConflictError
from sightwire_orchestrator.runs.beginning import run_deadline
from sightwire_orchestrator.runs.draft import Draft, is_settled
from sightwire_orchestrator.runs.events import RunCancelled, RunEnded
from sightwire_orchestrator.runs.state import Ending, ReviewState

CANCELLED: Final = "cancelled"
RUN_TIMED_OUT: Final = "run-timeout"


def pause(draft: Draft) -> None:
    """Nothing begins until the run is resumed, and its clock stands still.

    Raises:
        ConflictError: it is not running.
    """
    _expect(draft, PipelineRunState.RUNNING, "only a running run can be paused")
    draft.state = PipelineRunState.PAUSED
    draft.paused_at = draft.now


def resume(draft: Draft) -> None:
    """Ends the pause.

    Raises:
        ConflictError: it is not paused.
    """
    _expect(draft, PipelineRunState.PAUSED, "only a paused run can be resumed")
    assert draft.paused_at is not None
    if draft.deadline is not None:
        draft.deadline += draft.now - draft.paused_at
    draft.state = PipelineRunState.RUNNING
    draft.paused_at = None


def cancel(draft: Draft, event: RunCancelled) -> None:
    """The run is to end.

    Raises:
        ConflictError: it has ended.
    """
    if draft.state.is_final:
        raise ConflictError(f"run {draft.id!r} is {draft.state}: it has ended, and cannot be cancelled")
    by = f" by {event.by}" if event.by else ""
    reason = f": {event.reason}" if event.reason else ""
    error = TaskError(code=CANCELLED, detail=f"cancelled{by}{reason}")
    draft.end(Ending(state=PipelineRunState.CANCELLED, error=error))


def time_out(draft: Draft) -> None:
    """The run is to end, for its time is over."""
    timeout = draft.plan.definition.timeout
    error = TaskError(code=RUN_TIMED_OUT, detail=f"the run was not done within {timeout:g} s", transient=True)
    draft.end(Ending(state=PipelineRunState.FAILED, error=error))


def end(draft: Draft, event: RunEnded) -> None:
    """The run ends, and with it every task that has not ended."""
    draft.end(event.ending)
    draft.state = event.ending.state
    draft.results = event.results
    draft.ended_at = draft.now
    draft.paused_at = None
    for _, name, index in draft.deadlines + draft.retries:
        record = draft.tasks[name]
        unit = replace(record.unit(index), state=TaskState.CANCELLED, due=None, ended_at=draft.now)
        draft.tasks[name] = record.with_unit(index, unit)
    draft.deadlines = draft.retries = ()
    draft.ready = ()
    draft.reviews_due = ()
    for name, record in draft.tasks.items():
        if not record.state.is_final:
            draft.put(name, state=TaskState.CANCELLED, ended_at=draft.now)


def take_up(draft: Draft) -> None:
    """An ended run goes on with its failed and cancelled tasks; what the others gave stays.

    Raises:
        ConflictError: it has not failed, and was not cancelled.
    """
    if draft.state not in {PipelineRunState.FAILED, PipelineRunState.CANCELLED}:
        raise ConflictError(f"run {draft.id!r} is {draft.state}: only a failed or cancelled run can be retried")
    draft.state = PipelineRunState.RUNNING
    draft.deadline = run_deadline(draft.plan, draft.now)
    draft.ended_at = None
    draft.ending = None
    draft.results = {}
    settled = {task.name for task in draft.plan.definition.tasks if is_settled(task, draft.tasks[task.name])}
    draft.unfinished = len(draft.tasks) - len(settled)
    for task in draft.plan.definition.tasks:
        if task.name in settled:
            continue
        record = draft.tasks[task.name]
        if record.review is not None and record.review.state is not ReviewState.DECIDED:
            again = replace(record.review, state=ReviewState.DUE, round=record.review.round + 1)
            draft.put(task.name, ended_at=None)
            draft.ask_for_review(task.name, again, record.output)
            continue
        still_open = len(draft.plan.dependencies[task.name] - settled)
        draft.begin_anew(task.name, keep_succeeded=True)
        draft.put(task.name, open_dependencies=still_open)
        if not still_open:
            draft.join_ready(task.name)


def _expect(draft: Draft, state: PipelineRunState, rule: str) -> None:
    if draft.state is not state:
        raise ConflictError(f"run {draft.id!r} is {draft.state}: {rule}")
