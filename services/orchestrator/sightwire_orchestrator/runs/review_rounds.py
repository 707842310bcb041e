"""How a task comes through the reviews of its output."""

from dataclasses import replace
from typing import Final

from sightwire.contracts.pipelines import TaskError, TaskName, TaskState
from sightwire.errors import ConflictError
from sightwire_orchestrator.runs.draft import Draft
from sightwire_orchestrator.runs.events import ReviewAsked, ReviewDecided
from sightwire_orchestrator.runs.pages import paged, values_in
from sightwire_orchestrator.runs.state import ReviewRecord, ReviewState

REJECTED: Final = "rejected"
TOO_MANY_CHANGES: Final = "too-many-changes"


def mark_asked(draft: Draft, event: ReviewAsked) -> None:
    """A reviewer is asked now."""
    review = _review_of(draft, event.task)
    draft.reviews_due = tuple(name for name in draft.reviews_due if name != event.task)
    draft.put(event.task, review=replace(review, state=ReviewState.ASKED))


def decide_review(draft: Draft, event: ReviewDecided) -> None:
    """A reviewer has decided.

    Raises:
        ConflictError: that decision is not waited for.
    """
    record = draft.tasks.get(event.task)
    waited_for = None if record is None or record.state is not TaskState.IN_REVIEW else record.review
    if record is None or waited_for is None or (waited_for.round, waited_for.state) != (event.round, ReviewState.ASKED):
        raise ConflictError(
            f"review {event.round} of task {event.task!r} of run {draft.id!r} waits for no decision: it was decided or "
            "withdrawn before"
        )
    decided = replace(waited_for, state=ReviewState.DECIDED, comment=event.comment or None)
    match event.decision:
        case "approve":
            draft.put(event.task, review=decided)
            draft.accept(event.task, record.output if event.edited is None else event.edited.value)
        case "reject":
            detail = f"{event.reviewer} rejected it: {event.comment or 'no reason was given'}"
            _fail(draft, event.task, decided, TaskError(code=REJECTED, detail=detail))
        case "changes":
            _ask_for_changes(draft, event, decided)


def _ask_for_changes(draft: Draft, event: ReviewDecided, decided: ReviewRecord) -> None:
    demand = draft.plan.tasks[event.task].review
    assert demand is not None
    if decided.changes >= demand.max_changes:
        detail = f"{event.reviewer} asked for changes when there had been {decided.changes}, the most that is allowed"
        _fail(draft, event.task, decided, TaskError(code=TOO_MANY_CHANGES, detail=f"{detail}: {event.comment}"))
        return
    draft.begin_anew(event.task, keep_succeeded=False)
    draft.put(event.task, review=replace(decided, changes=decided.changes + 1))
    draft.join_ready(event.task)


def _fail(draft: Draft, name: TaskName, decided: ReviewRecord, error: TaskError) -> None:
    units = draft.tasks[name].units
    # Their outputs are of no use if the run is taken up again.
    rejected = paged(replace(unit, state=TaskState.FAILED, error=error) for unit in values_in(units))
    draft.put(name, units=rejected, review=decided)
    draft.fail_task(name, error)


def _review_of(draft: Draft, name: TaskName) -> ReviewRecord:
    review = draft.tasks[name].review
    assert review is not None
    return review
