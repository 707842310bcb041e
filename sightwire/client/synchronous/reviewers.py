"""`sightwire.reviewers`: people who can be asked."""

from typing import TYPE_CHECKING

from sightwire.client import calls
from sightwire.contracts.review_control import ReviewerList
from sightwire.contracts.reviews import Reviewer

if TYPE_CHECKING:
    from sightwire.client.synchronous.client import Sightwire


class Reviewers:
    """`sightwire.reviewers`."""

    def __init__(self, sightwire: "Sightwire") -> None:
        self._send = sightwire.send

    def list(self, *, with_inactive: bool = False) -> ReviewerList:
        """Reviewers by id."""
        return self._send(calls.list_reviewers(with_inactive=with_inactive))

    def get(self, reviewer: str) -> Reviewer:
        """A reviewer's profile."""
        return self._send(calls.get_reviewer(reviewer))

    def put(self, reviewer: Reviewer) -> Reviewer:
        """Store a new profile, or what became of one that was read: refused when somebody changed it since.

        Example::

            sightwire.reviewers.put(Reviewer(id="ada", name="Ada", email="ada@example.org"))
        """
        return self._send(calls.put_reviewer(reviewer))

    def deactivate(self, reviewer: str) -> Reviewer:
        """Ask a reviewer no longer; reviews go to others."""
        return self._send(calls.deactivate_reviewer(reviewer))
