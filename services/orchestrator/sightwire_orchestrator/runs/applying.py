"""What an event makes of a run."""

from datetime import datetime
from typing import Final, assert_never

from sightwire.contracts.pipelines import TaskError, TaskResult, TaskState
from sightwire_orchestrator.runs.draft import Draft
from sightwire_orchestrator.runs.events import (
    AttemptStarted,
    AttemptTimedOut,
    Event,
    ResultArrived,
    ReviewAsked,
    ReviewDecided,
    RunCancelled,
    RunEnded,
    RunPaused,
    RunResumed,
    RunRetried,
    RunTimedOut,
    TaskMapped,
    TaskRefused,
    TaskSkipped,
)
from sightwire_orchestrator.runs.plan import Plan
from sightwire_orchestrator.runs.review_rounds import decide_review, mark_asked
from sightwire_orchestrator.runs.state import Run
from sightwire_orchestrator.runs.steering import cancel, end, pause, resume, take_up, time_out

ATTEMPT_TIMED_OUT: Final = "timeout"


def apply(plan: Plan, run: Run, event: Event, now: datetime) -> Run:
    """The run after the event; the very same object if the event changes nothing.

    Results of attempts that nobody waits for change nothing: those of earlier attempts, and those that are delivered
    again. What people ask for is refused if it does not fit.

    Args:
        plan: of the run's definition.
        run: the run before.
        event: what happened.
        now: when; aware. To build a run anew from its events, give the times at which they were applied.

    Raises:
        ConflictError: the run, or the task under review, is not in a state in which this may be asked for.
    """
    if isinstance(event, ResultArrived) and not _is_waited_for(plan, run, event.result):
        return run
    draft = Draft(plan, run, now)
    _change(draft, event)
    return draft.finished()


def _change(draft: Draft, event: Event) -> None:
    match event:
        case ResultArrived(result=result):
            _take_result(draft, result)
        case AttemptStarted():
            draft.start_attempt(event.task, event.element or 0, event.deadline)
        case AttemptTimedOut():
            _time_attempt_out(draft, event)
        case TaskSkipped():
            draft.skip(event.task)
        case TaskMapped():
            draft.expand(event.task, event.size)
        case TaskRefused():
            _refuse(draft, event)
        case ReviewAsked():
            mark_asked(draft, event)
        case ReviewDecided():
            decide_review(draft, event)
        case RunPaused():
            pause(draft)
        case RunResumed():
            resume(draft)
        case RunCancelled():
            cancel(draft, event)
        case RunRetried():
            take_up(draft)
        case RunTimedOut():
            time_out(draft)
        case RunEnded():
            end(draft, event)
        case _:
            assert_never(event)


def _is_waited_for(plan: Plan, run: Run, result: TaskResult) -> bool:
    record = run.tasks.get(result.task)
    if record is None or result.run != run.id or run.ending is not None:
        return False
    is_of_element = result.element is not None
    is_mapped = plan.tasks[result.task].map is not None
    if is_of_element is not is_mapped:
        return False
    unit = record.unit(result.element or 0)
    return unit.state is TaskState.RUNNING and unit.attempt == result.attempt


def _take_result(draft: Draft, result: TaskResult) -> None:
    if result.error is None:
        draft.succeed(result.task, result.element or 0, result.output, cached=result.cached)
    else:
        draft.fail(result.task, result.element or 0, result.error)


def _refuse(draft: Draft, event: TaskRefused) -> None:
    if event.element is None:
        draft.fail_task(event.task, event.error)
    else:
        draft.fail_for_good(event.task, event.element, event.error)


def _time_attempt_out(draft: Draft, event: AttemptTimedOut) -> None:
    timeout = draft.plan.tasks[event.task].timeout
    detail = f"attempt {event.attempt} gave no result within {timeout:g} s"
    draft.fail(event.task, event.element or 0, TaskError(code=ATTEMPT_TIMED_OUT, detail=detail, transient=True))
