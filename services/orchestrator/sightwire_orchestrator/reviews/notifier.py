"""Sends what was stored to be sent: after a crash, too, and then perhaps a second time, with the same id."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import select

from sightwire.contracts.reviews import ReviewNotification
from sightwire.errors import SightwireError
from sightwire_orchestrator.reviews.channels import Channel
from sightwire_orchestrator.reviews.review_store import Addressed
from sightwire_orchestrator.reviews.tables import review_notifications
from sightwire_orchestrator.storage.database import Database

logger = logging.getLogger(__name__)

DELIVERED: Final = "delivered"
_AT_A_TIME: Final = 50
#: A notification that could not be delivered for so long is given up.
_GIVE_UP_AFTER: Final = timedelta(days=1)
_WAIT: Final = timedelta(minutes=1)


def utc_now() -> datetime:
    """The time."""
    return datetime.now(UTC)


class ReviewNotifier:
    """The channels that are configured, and what waits to be sent over them."""

    def __init__(
        self, database: Database, channels: Sequence[Channel] = (), *, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._database = database
        self._clock = clock
        self._channels = {channel.name: channel for channel in channels}

    def address(self, notifications: Iterable[ReviewNotification]) -> list[Addressed]:
        """Each notification with each channel that it goes over."""
        return [
            (notification, channel.name)
            for notification in notifications
            for channel in self._channels.values()
            if channel.concerns(notification)
        ]

    async def send_waiting(self) -> int:
        """Sends the oldest ones that are due, at the same time; returns how many were delivered. One call at a time.

        What cannot be delivered now is tried again later, for a day.
        """
        notifications = review_notifications.c
        statement = (
            select(notifications.channel, notifications.document)
            .where(notifications.settled_at.is_(None), notifications.due_at <= self._clock())
            .where(notifications.channel.in_(sorted(self._channels)))
            .order_by(notifications.due_at)
            .limit(_AT_A_TIME)
        )
        async with self._database.session(read_only=True) as connection:
            rows = (await connection.execute(statement)).all()
        outcomes = await asyncio.gather(
            *(self._send(ReviewNotification.model_validate_json(row.document), row.channel) for row in rows)
        )
        return sum(outcomes)

    async def outcomes(self, review: str) -> dict[tuple[str, str], str | None]:
        """What became of a review's notifications, by id and channel; None: nothing yet."""
        columns = review_notifications.c
        statement = select(columns.id, columns.channel, columns.outcome).where(columns.review == review)
        async with self._database.session(read_only=True) as connection:
            return {(row.id, row.channel): row.outcome for row in await connection.execute(statement)}

    async def _send(self, notification: ReviewNotification, channel: str) -> bool:
        try:
            await self._channels[channel].send(notification)
        except SightwireError as error:
            # PostgreSQL takes no NUL, and mail servers say whatever they like.
            reason = error.detail.replace("\0", "")
            logger.warning("notification %s by %s is not delivered: %s", notification.id, channel, reason)
            now = self._clock()
            if error.transient and now - notification.at < _GIVE_UP_AFTER:
                await self._update(notification, channel, due_at=now + _WAIT, outcome=reason)
            else:
                await self._update(notification, channel, settled_at=now, outcome=reason)
            return False
        await self._update(notification, channel, settled_at=self._clock(), outcome=DELIVERED)
        return True

    async def _update(self, notification: ReviewNotification, channel: str, **values: Any) -> None:
        key = (review_notifications.c.id == notification.id) & (review_notifications.c.channel == channel)
        async with self._database.session() as connection:
            await connection.execute(review_notifications.update().where(key).values(**values))
