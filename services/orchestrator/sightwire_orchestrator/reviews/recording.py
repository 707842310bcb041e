"""Acts become entries of the trail, a changed review, and notifications, all of one moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sightwire.contracts.reviews import Act, Actor, AuditEntry, Review, ReviewNotification
from sightwire_orchestrator.reviews.applying import apply
from sightwire_orchestrator.reviews.notifications import notifications_of


@dataclass(frozen=True, slots=True)
class Change:
    """What came of acts; stored as a whole, or not at all."""

    before: Review
    after: Review
    entries: tuple[AuditEntry, ...]
    notifications: tuple[ReviewNotification, ...]

    @property
    def is_empty(self) -> bool:
        return not self.entries

    def then(self, following: "Change") -> "Change":
        """Both, as one; `following` begins where this one ends."""
        assert following.before == self.after, f"changes of review {self.after.id} do not follow each other"
        entries = self.entries + following.entries
        return Change(self.before, following.after, entries, self.notifications + following.notifications)


def record(review: Review, acts: Sequence[Act], actor: Actor, now: datetime) -> Change:
    """The review after `acts`, which `actor` does now."""
    after = review
    entries: list[AuditEntry] = []
    notifications: list[ReviewNotification] = []
    for act in acts:
        after = apply(after, act, now)
        entry = AuditEntry(review=review.id, sequence=after.sequence, at=now, actor=actor, act=act)
        entries.append(entry)
        notifications.extend(notifications_of(after, entry))
    return Change(review, after, tuple(entries), tuple(notifications))
