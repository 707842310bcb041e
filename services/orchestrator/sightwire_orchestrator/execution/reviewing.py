"""What runs need of whoever asks people."""

from collections.abc import Iterable
from typing import Protocol

from sightwire.contracts.pipelines import PipelineName, TaskType
from sightwire_orchestrator.runs.actions import AskForReview, WithdrawReview
from sightwire_orchestrator.runs.plan import Plan
from sightwire_orchestrator.runs.state import Run


class ReviewRequests(Protocol):
    """Takes reviews; `reviews.desk.ReviewDesk` does. Decisions come back by `Engine.tell`."""

    async def ask(self, action: AskForReview, *, pipeline: PipelineName, task_type: TaskType) -> object:
        """Takes a review; asked again, nothing changes."""

    async def withdraw(self, action: WithdrawReview) -> None:
        """Nobody waits for a decision any longer."""

    async def reconcile(self, unfinished: Iterable[tuple[Plan, Run]]) -> None:
        """Asks for what runs wait for, and withdraws what no run waits for."""
