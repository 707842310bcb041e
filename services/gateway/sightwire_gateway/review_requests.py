"""Requests about reviews as they come in. `by` is who acts, where the caller's key does not say it."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from sightwire.contracts.reviews import ReviewDecision, ReviewerId

_By = Annotated[
    ReviewerId | None, Field(description="Who does it; null: whose key it is. Others' keys cannot act as somebody")
]
_Comment = Annotated[str, Field(max_length=20_000)]


class _Command(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DecisionCommand(ReviewDecision):
    """What a reviewer says; the run goes on."""

    by: _By = None

    @property
    def decision_alone(self) -> ReviewDecision:
        """Without who says it."""
        return ReviewDecision(decision=self.decision, comment=self.comment, edited=self.edited)


class DelegateCommand(_Command):
    """Give a review to another reviewer."""

    to: ReviewerId
    comment: _Comment = ""
    by: _By = None


class ReassignCommand(_Command):
    """Give a review to whoever else suits best."""

    comment: _Comment = ""
    by: _By = None


class CommentCommand(_Command):
    """Add a comment to the trail of a review."""

    comment: _Comment = Field(min_length=1)
    by: _By = None
