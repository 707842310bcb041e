"""`sightwire.reviews`: what people are asked, and what they say."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sightwire.client import calls
from sightwire.client.calls import Decision
from sightwire.contracts.review_control import ReviewDetails, ReviewPage
from sightwire.contracts.reviews import Review, ReviewStatistics

if TYPE_CHECKING:
    from sightwire.client.synchronous.client import Sightwire


class Reviews:
    """`sightwire.reviews`. `by` is who acts; with a key of a person that is who it is without saying."""

    def __init__(self, sightwire: "Sightwire") -> None:
        self._send = sightwire.send

    def list(
        self,
        *,
        statuses: Iterable[str] = (),
        reviewer: str | None = None,
        run: str | None = None,
        specialization: str | None = None,
        asked_from: datetime | None = None,
        asked_before: datetime | None = None,
        deadline_before: datetime | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> ReviewPage:
        """Reviews without their data, those asked for last first."""
        return self._send(
            calls.list_reviews(
                statuses=statuses,
                reviewer=reviewer,
                run=run,
                specialization=specialization,
                asked_from=asked_from,
                asked_before=asked_before,
                deadline_before=deadline_before,
                limit=limit,
                cursor=cursor,
            )
        )

    def get(self, review: str) -> ReviewDetails:
        """A review with its data, and the trail of all acts."""
        return self._send(calls.get_review(review))

    def decide(
        self,
        review: str,
        decision: Decision,
        *,
        comment: str = "",
        edited: Mapping[str, Any] | None = None,
        by: str | None = None,
    ) -> Review:
        """Decide about a review; its run goes on. `edited` is `{"value": …}`, which takes the place of the data.

        Example::

            sightwire.reviews.decide("r1.draft.1", "changes", comment="shorter", by="ada")
        """
        return self._send(calls.decide_review(review, decision, comment=comment, edited=edited, by=by))

    def delegate(self, review: str, to: str, *, comment: str = "", by: str | None = None) -> Review:
        """Give a review to another reviewer."""
        return self._send(calls.delegate_review(review, to, comment=comment, by=by))

    def reassign(self, review: str, *, comment: str = "", by: str | None = None) -> Review:
        """Give a review to whoever else suits best."""
        return self._send(calls.reassign_review(review, comment=comment, by=by))

    def comment(self, review: str, comment: str, *, by: str | None = None) -> Review:
        """Add a comment to the trail of a review."""
        return self._send(calls.comment_review(review, comment, by=by))

    def statistics(
        self,
        *,
        reviewer: str | None = None,
        specialization: str | None = None,
        asked_from: datetime | None = None,
        asked_before: datetime | None = None,
    ) -> ReviewStatistics:
        """How reviews went against their deadlines."""
        return self._send(
            calls.review_statistics(
                reviewer=reviewer, specialization=specialization, asked_from=asked_from, asked_before=asked_before
            )
        )
