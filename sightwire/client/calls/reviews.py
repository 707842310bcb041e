"""Reviews, and the people who are asked. `by` is who acts, where the client's key does not say it."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal

from sightwire.client.calls.request import Call, json_reader, path_segment, plain_body, without_none
from sightwire.contracts.review_control import ReviewDetails, ReviewerList, ReviewPage
from sightwire.contracts.reviews import Review, Reviewer, ReviewStatistics

Decision = Literal["approve", "reject", "changes"]


def list_reviews(
    *,
    statuses: Iterable[str],
    reviewer: str | None,
    run: str | None,
    specialization: str | None,
    asked_from: datetime | None,
    asked_before: datetime | None,
    deadline_before: datetime | None,
    limit: int,
    cursor: str | None,
) -> Call[ReviewPage]:
    params = without_none(
        status=list(statuses) or None,
        reviewer=reviewer,
        run=run,
        specialization=specialization,
        asked_from=_time(asked_from),
        asked_before=_time(asked_before),
        deadline_before=_time(deadline_before),
        limit=str(limit),
        cursor=cursor,
    )
    return Call("GET", _REVIEWS, json_reader(ReviewPage.model_validate), params)


def get_review(review: str) -> Call[ReviewDetails]:
    return Call("GET", _path(review), json_reader(ReviewDetails.model_validate))


def decide_review(
    review: str, decision: Decision, *, comment: str, edited: Mapping[str, Any] | None, by: str | None
) -> Call[Review]:
    """`edited` is `{"value": …}`: null is a value like others."""
    body = without_none(decision=decision, comment=comment, edited=edited, by=by)
    return Call("POST", f"{_path(review)}/decision", json_reader(Review.model_validate), body=body)


def delegate_review(review: str, to: str, *, comment: str, by: str | None) -> Call[Review]:
    body = without_none(to=to, comment=comment, by=by)
    return Call("POST", f"{_path(review)}/delegate", json_reader(Review.model_validate), body=body)


def reassign_review(review: str, *, comment: str, by: str | None) -> Call[Review]:
    body = without_none(comment=comment, by=by)
    # Twice, it goes to somebody else again.
    return Call("POST", f"{_path(review)}/reassign", json_reader(Review.model_validate), body=body, repeatable=False)


def comment_review(review: str, comment: str, *, by: str | None) -> Call[Review]:
    body = without_none(comment=comment, by=by)
    return Call("POST", f"{_path(review)}/comments", json_reader(Review.model_validate), body=body, repeatable=False)


def review_statistics(
    *,
    reviewer: str | None,
    specialization: str | None,
    asked_from: datetime | None,
    asked_before: datetime | None,
) -> Call[ReviewStatistics]:
    params = without_none(
        reviewer=reviewer,
        specialization=specialization,
        asked_from=_time(asked_from),
        asked_before=_time(asked_before),
    )
    return Call("GET", f"{_REVIEWS}/statistics", json_reader(ReviewStatistics.model_validate), params)


def list_reviewers(*, with_inactive: bool) -> Call[ReviewerList]:
    params = {"with_inactive": "true"} if with_inactive else {}
    return Call("GET", _REVIEWERS, json_reader(ReviewerList.model_validate), params)


def get_reviewer(reviewer: str) -> Call[Reviewer]:
    return Call("GET", _reviewer_path(reviewer), json_reader(Reviewer.model_validate))


def put_reviewer(reviewer: Reviewer) -> Call[Reviewer]:
    return Call(
        "PUT",
        _reviewer_path(reviewer.id),
        json_reader(Reviewer.model_validate),
        body=plain_body(reviewer),
        # Its revision has grown then.
        repeatable=False,
    )


def deactivate_reviewer(reviewer: str) -> Call[Reviewer]:
    return Call("POST", f"{_reviewer_path(reviewer)}/deactivate", json_reader(Reviewer.model_validate))


_REVIEWS = "/v1/reviews"
_REVIEWERS = "/v1/reviewers"


def _path(review: str) -> str:
    return f"{_REVIEWS}/{path_segment(review)}"


def _reviewer_path(reviewer: str) -> str:
    return f"{_REVIEWERS}/{path_segment(reviewer)}"


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
