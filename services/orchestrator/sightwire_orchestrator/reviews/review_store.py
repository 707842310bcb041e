"""Reviews in the database: changed by compare-and-set, each change together with its acts and notifications."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, Select, and_, func, or_, select
from sqlalchemy.exc import IntegrityError

from sightwire.contracts.reviews import AuditEntry, Review, ReviewerId, ReviewNotification, ReviewStatus
from sightwire.errors import ConflictError, NotFoundError
from sightwire_orchestrator.reviews.advancing import DEFAULT_REMINDERS, ReminderPolicy
from sightwire_orchestrator.reviews.assigning import LATELY, Workload
from sightwire_orchestrator.reviews.recording import Change
from sightwire_orchestrator.reviews.review_rows import (
    COLUMNS_WITHOUT_DATA,
    TIME_COLUMNS,
    act_row,
    changing_columns,
    entry_of,
    new_row,
    review_of,
    times_of,
)
from sightwire_orchestrator.reviews.statistics import ReviewTimes
from sightwire_orchestrator.reviews.tables import review_acts, review_notifications, reviewers, reviews
from sightwire_orchestrator.storage.cursors import read_cursor, write_cursor
from sightwire_orchestrator.storage.database import Database

#: A notification, and the name of the channel that it is for.
Addressed = tuple[ReviewNotification, str]

OPEN_STATUSES: Final = frozenset(status for status in ReviewStatus if status.is_open)

_IS_OPEN: Final = reviews.c.ended_at.is_(None)
_NEWEST_FIRST: Final = select(*COLUMNS_WITHOUT_DATA).order_by(reviews.c.asked_at.desc(), reviews.c.id.desc())


@dataclass(frozen=True, slots=True)
class ReviewFilter:
    """Which reviews are listed; what is left out does not matter."""

    statuses: frozenset[ReviewStatus] = frozenset()
    reviewer: ReviewerId | None = None
    run: str | None = None
    asked_from: datetime | None = None
    asked_before: datetime | None = None
    specialization: str | None = None
    deadline_before: datetime | None = None


class ReviewStore:
    """Reviews with their trails."""

    def __init__(self, database: Database, policy: ReminderPolicy = DEFAULT_REMINDERS) -> None:
        self._database = database
        self._policy = policy

    async def create(self, change: Change, notifications: Collection[Addressed] = ()) -> bool:
        """Stores a new review; False when one of its id is there, which stays."""
        try:
            await self._database.transact(partial(_create, change, notifications, self._policy))
        except IntegrityError:
            if await self.find(change.after.id) is None:
                raise
            return False
        return True

    async def append(self, change: Change, notifications: Collection[Addressed] = ()) -> None:
        """Stores a change of a review, its acts, and whom to tell of it: all or nothing.

        Raises:
            ConflictError: the review was changed since it was read, or there is none.
            UnavailableError: the database does not answer. The change may have been stored: read the review.
        """
        await self._database.transact(partial(_append, change, notifications, self._policy))

    async def find(self, id_: str) -> Review | None:
        """A review as it stands, None if there is none."""
        found = await self._found(select(reviews).where(reviews.c.id == id_))
        return found[0] if found else None

    async def get(self, id_: str) -> Review:
        """A review as it stands.

        Raises:
            NotFoundError: there is none.
        """
        found = await self.find(id_)
        if found is None:
            raise NotFoundError(f"there is no review {id_!r}")
        return found

    async def select(self, filter: ReviewFilter, *, limit: int | None = 100) -> list[Review]:
        """Reviews without their data, those asked for last first."""
        return await self._found(_NEWEST_FIRST.where(*_conditions(filter)).limit(limit))

    async def page(
        self, filter: ReviewFilter, *, limit: int, cursor: str | None = None
    ) -> tuple[list[Review], str | None]:
        """Reviews without their data, those asked for last first, and the cursor of those that follow, if any do.

        Raises:
            InvalidInputError: the cursor is none that a page had.
        """
        conditions = _conditions(filter)
        if cursor is not None:
            asked_at, id_ = read_cursor(cursor)
            conditions.append(
                or_(reviews.c.asked_at < asked_at, and_(reviews.c.asked_at == asked_at, reviews.c.id < id_))
            )
        found = await self._found(_NEWEST_FIRST.where(*conditions).limit(limit + 1))
        page = found[:limit]
        return page, write_cursor(page[-1].asked_at, page[-1].id) if len(found) > limit else None

    async def trail(self, id_: str) -> list[AuditEntry]:
        """All acts of a review, in order; empty when there is no such review."""
        statement = select(review_acts).where(review_acts.c.review == id_).order_by(review_acts.c.sequence)
        async with self._database.session(read_only=True) as connection:
            return [entry_of(row) for row in await connection.execute(statement)]

    async def needing_attention(self, now: datetime, unreachable: Collection[ReviewerId]) -> list[Review]:
        """Open reviews, without their data, that seek somebody, are due, or lie with one of the unreachable."""
        needing = or_(reviews.c.is_seeking, reviews.c.next_look_at <= now, reviews.c.reviewer.in_(sorted(unreachable)))
        return await self._found(select(*COLUMNS_WITHOUT_DATA).where(_IS_OPEN, needing))

    async def untold(self) -> list[Review]:
        """Decided reviews, without their data, of which the run may not know, the oldest first."""
        is_untold = reviews.c.untold_since.is_not(None)
        return await self._found(select(*COLUMNS_WITHOUT_DATA).where(is_untold).order_by(reviews.c.untold_since))

    async def mark_told(self, id_: str) -> None:
        """The run knows of the decision."""
        async with self._database.session() as connection:
            await connection.execute(reviews.update().where(reviews.c.id == id_).values(untold_since=None))

    async def workload(self, now: datetime) -> dict[ReviewerId, Workload]:
        """What each reviewer has to do, and had lately."""
        assigned = review_acts.c.reviewer == reviewers.c.id
        statement = select(
            reviewers.c.id,
            select(func.count())
            .select_from(reviews)
            .where(reviews.c.reviewer == reviewers.c.id, _IS_OPEN)
            .scalar_subquery()
            .label("open"),
            select(func.count())
            .select_from(review_acts)
            .where(assigned, review_acts.c.at > now - LATELY)
            .scalar_subquery()
            .label("lately"),
            select(func.max(review_acts.c.at)).where(assigned).scalar_subquery().label("last"),
        )
        async with self._database.session(read_only=True) as connection:
            rows = await connection.execute(statement)
            return {row.id: Workload(row.open, row.lately, row.last) for row in rows}

    async def times(self, filter: ReviewFilter) -> list[ReviewTimes]:
        """What statistics need of all reviews that fit."""
        async with self._database.session(read_only=True) as connection:
            rows = await connection.execute(select(*TIME_COLUMNS).where(*_conditions(filter)))
            return [times_of(row) for row in rows]

    async def _found(self, statement: Select[Any]) -> list[Review]:
        async with self._database.session(read_only=True) as connection:
            return [review_of(row) for row in await connection.execute(statement)]


def _create(
    change: Change, notifications: Collection[Addressed], policy: ReminderPolicy, connection: Connection
) -> None:
    connection.execute(reviews.insert(), new_row(change.after, policy))
    _add_acts(change, notifications, connection)


def _append(
    change: Change, notifications: Collection[Addressed], policy: ReminderPolicy, connection: Connection
) -> None:
    id_, sequence = change.before.id, change.before.sequence
    unchanged = (reviews.c.id == id_) & (reviews.c.sequence == sequence)
    statement = reviews.update().where(unchanged).values(**changing_columns(change.after, policy))
    if connection.execute(statement).rowcount != 1:
        raise ConflictError(f"review {id_} was changed since act {sequence}, or is gone; read it again")
    _add_acts(change, notifications, connection)


def _add_acts(change: Change, notifications: Collection[Addressed], connection: Connection) -> None:
    connection.execute(review_acts.insert(), [act_row(entry) for entry in change.entries])
    rows = [
        {
            "id": notification.id,
            "channel": channel,
            "review": notification.review,
            "due_at": notification.at,
            "document": notification.model_dump_json(),
        }
        for notification, channel in notifications
    ]
    if rows:
        connection.execute(review_notifications.insert(), rows)


def _conditions(wanted: ReviewFilter) -> list[Any]:
    conditions: list[Any] = []
    if wanted.statuses:
        conditions.append(reviews.c.status.in_(sorted(wanted.statuses)))
    if wanted.reviewer is not None:
        conditions.append(reviews.c.reviewer == wanted.reviewer)
    if wanted.run is not None:
        conditions.append(reviews.c.run == wanted.run)
    if wanted.asked_from is not None:
        conditions.append(reviews.c.asked_at >= wanted.asked_from)
    if wanted.asked_before is not None:
        conditions.append(reviews.c.asked_at < wanted.asked_before)
    if wanted.specialization is not None:
        conditions.append(reviews.c.specialization == wanted.specialization)
    if wanted.deadline_before is not None:
        conditions.append(reviews.c.deadline < wanted.deadline_before)
    return conditions
