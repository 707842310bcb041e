"""The tables of reviews."""

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text

from sightwire_orchestrator.storage.columns import UtcTime
from sightwire_orchestrator.storage.tables import metadata

#: Profiles as JSON; they are made inactive, and never deleted.
reviewers: Final = Table(
    "reviewers",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("document", Text, nullable=False),
)

#: Reviews as they stand after `sequence` acts. `input_data`, which may be long, and `request` never change; `standing`
#: is the rest of the document.
#: They outlive their runs: who decided what is asked for later than what a run did.
reviews: Final = Table(
    "reviews",
    metadata,
    Column("id", String(160), primary_key=True),
    Column("run", String(64), nullable=False),
    Column("specialization", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("reviewer", String(64)),
    Column("asked_at", UtcTime, nullable=False),
    Column("assigned_at", UtcTime),
    Column("deadline", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
    Column("is_seeking", Boolean, nullable=False),
    #: When time alone does something to it.
    Column("next_look_at", UtcTime),
    #: When it was decided, while the run does not know yet.
    Column("untold_since", UtcTime),
    Column("sequence", BigInteger, nullable=False),
    Column("input_data", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("standing", Text, nullable=False),
)
Index("ix_reviews_asked", reviews.c.asked_at, reviews.c.id)
Index("ix_reviews_run", reviews.c.run)
#: Few rows, however many reviews have ended: what the desk looks at.
_UNFINISHED: Final = reviews.c.ended_at.is_(None)
Index(
    "ix_reviews_unfinished",
    reviews.c.reviewer,
    reviews.c.next_look_at,
    sqlite_where=_UNFINISHED,
    postgresql_where=_UNFINISHED,
)
_UNTOLD: Final = reviews.c.untold_since.is_not(None)
Index("ix_reviews_untold", reviews.c.untold_since, sqlite_where=_UNTOLD, postgresql_where=_UNTOLD)

#: All acts, append-only, which triggers of the database see to; `sequence` counts from 1 within a review.
review_acts: Final = Table(
    "review_acts",
    metadata,
    Column("review", ForeignKey(reviews.c.id), primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(64), nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("actor", String(255), nullable=False),
    Column("origin", String(255), nullable=False),
    #: Of assignments: to whom.
    Column("reviewer", String(64)),
    Column("document", Text, nullable=False),
)
Index("ix_review_acts_reviewer_at", review_acts.c.reviewer, review_acts.c.at)

#: What people are to be told, once for each channel; `outcome` says what became of the last attempt.
review_notifications: Final = Table(
    "review_notifications",
    metadata,
    Column("id", String(255), primary_key=True),
    Column("channel", String(16), primary_key=True),
    Column("review", ForeignKey(reviews.c.id), nullable=False),
    #: When it is to be sent, or tried again.
    Column("due_at", UtcTime, nullable=False),
    Column("settled_at", UtcTime),
    Column("outcome", Text),
    Column("document", Text, nullable=False),
)
Index("ix_review_notifications_review", review_notifications.c.review)
_UNSETTLED: Final = review_notifications.c.settled_at.is_(None)
Index(
    "ix_review_notifications_unsettled",
    review_notifications.c.due_at,
    sqlite_where=_UNSETTLED,
    postgresql_where=_UNSETTLED,
)
