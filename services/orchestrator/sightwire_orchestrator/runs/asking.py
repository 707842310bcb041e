"""What runs ask reviewers."""

from collections.abc import Iterator

from sightwire.contracts.pipelines import TaskName, TaskState
from sightwire_orchestrator.runs.actions import AskForReview
from sightwire_orchestrator.runs.plan import Plan
from sightwire_orchestrator.runs.state import ReviewState, Run


def review_of(plan: Plan, run: Run, name: TaskName) -> AskForReview:
    """The question about the output of a task that is in review."""
    record = run.tasks[name]
    demand, review = plan.tasks[name].review, record.review
    assert demand is not None
    assert review is not None
    return AskForReview(
        run=run.id,
        task=name,
        round=review.round,
        demand=demand,
        output=record.output,
        last_comment=review.comment,
    )


def reviews_waited_for(plan: Plan, run: Run) -> Iterator[AskForReview]:
    """The questions that were asked and not answered yet: to be asked again after a crash, for they may be lost."""
    for name, record in run.tasks.items():
        is_asked = record.review is not None and record.review.state is ReviewState.ASKED
        if record.state is TaskState.IN_REVIEW and is_asked:
            yield review_of(plan, run, name)
