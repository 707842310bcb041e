"""Which reviews runs wait for, after a crash between a run and the desk. Decides only."""

from collections.abc import Iterator

from sightwire.contracts.pipelines import TaskState
from sightwire_orchestrator.runs.actions import AskForReview
from sightwire_orchestrator.runs.plan import Plan
from sightwire_orchestrator.runs.state import ReviewState, Run


def reviews_waited_for(plan: Plan, run: Run) -> Iterator[AskForReview]:
    """The reviews that a run has asked for and that are not decided, to be asked for again."""
    if run.state.is_final:
        return
    for name, record in run.tasks.items():
        demand, review = plan.tasks[name].review, record.review
        if record.state is not TaskState.IN_REVIEW or demand is None or review is None:
            continue
        if review.state is ReviewState.ASKED:
            yield AskForReview(
                run=run.id,
                task=name,
                round=review.round,
                demand=demand,
                output=record.output,
                last_comment=review.comment,
            )
