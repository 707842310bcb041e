"""Gives reviews to those who are there, and takes them from those who are not. Decides only."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from sightwire.contracts.reviews import Act, Assigned, NobodyFound, Released, Review, Reviewer, ReviewerId
from sightwire_orchestrator.reviews.advancing import DESK
from sightwire_orchestrator.reviews.assigning import sought_for
from sightwire_orchestrator.reviews.availability import is_reachable
from sightwire_orchestrator.reviews.recording import Change, record


def place(review: Review, chosen: ReviewerId | None, now: datetime) -> Change:
    """The review with whom `assign` chose; that there is nobody is said once."""
    acts: tuple[Act, ...] = ()
    if chosen is not None:
        acts = (Assigned(reviewer=chosen, previous=review.reviewer),)
    elif not review.is_unmet:
        acts = (NobodyFound(sought=sought_for(review)),)
    return record(review, acts, DESK, now)


def release(review: Review, reviewers: Mapping[ReviewerId, Reviewer], now: datetime) -> Change:
    """Takes the review from a reviewer who is absent or inactive; nothing, if there is no reason to.

    After working hours a reviewer keeps what there is to do: the deadline counts in whole time.
    """
    holder = reviewers.get(review.reviewer) if review.reviewer is not None else None
    if holder is None or not review.status.is_open or is_reachable(holder, now):
        return record(review, (), DESK, now)
    reason: Literal["absent", "inactive"] = "absent" if holder.is_active else "inactive"
    return record(review, (Released(reviewer=holder.id, reason=reason),), DESK, now)
