"""Announcements of live processes in a bucket whose values expire: made again and again, withdrawn, and followed."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Generic, Self, TypeVar

from nats.errors import Error as NatsError
from pydantic import BaseModel, ValidationError

from sightwire.bus.connection import Bus
from sightwire.bus.watching import watch_bucket
from sightwire.contracts.names import key_token
from sightwire.contracts.streams import BucketDefinition
from sightwire.ending_tasks import end_tasks
from sightwire.errors import UnavailableError
from sightwire.lasting_tasks import start_lasting

logger = logging.getLogger(__name__)

Announcement = TypeVar("Announcement", bound=BaseModel)


async def announce(bus: Bus, bucket: BucketDefinition, process: str, announcement: BaseModel) -> None:
    """Says what a process does. Must be repeated every quarter of the bucket's ttl, or it counts as gone.

    Raises:
        UnavailableError: the bus did not confirm it.
    """
    try:
        await (await bus.bucket(bucket)).put(key_token(process), announcement.model_dump_json().encode())
    except (NatsError, TimeoutError) as error:
        raise UnavailableError(f"the bus did not take the announcement of {process!r}: {error!r}") from error


async def withdraw(bus: Bus, bucket: BucketDefinition, process: str) -> None:
    """Says that a process is leaving, so that nobody waits for it.

    Raises:
        UnavailableError: the bus did not confirm it; the announcement then expires by itself.
    """
    try:
        await (await bus.bucket(bucket)).delete(key_token(process))
    except (NatsError, TimeoutError) as error:
        raise UnavailableError(f"the bus did not take the withdrawal of {process!r}: {error!r}") from error


async def withdraw_or_expire(bus: Bus, bucket: BucketDefinition, process: str) -> None:
    """Withdraws what a process announced; where the bus does not take that, the announcement expires by itself."""
    if not bus.is_connected:
        return
    try:
        await withdraw(bus, bucket, process)
    except UnavailableError as error:
        logger.warning("cannot withdraw; the announcement expires by itself", extra={"error": error.detail})


class Announcer:
    """Announces in the background, after every change and again before the word expires.

    Args:
        announce_now: puts the present announcement into the bucket; raises `UnavailableError` if it cannot.
        interval: seconds after which it is repeated.
    """

    def __init__(self, announce_now: Callable[[], Awaitable[None]], *, interval: float) -> None:
        self._announce_now = announce_now
        self._interval = interval
        self._changed = asyncio.Event()

    def changed(self) -> None:
        """What is announced is another thing now: say it at once."""
        self._changed.set()

    async def run(self) -> None:
        """Announces until cancelled."""
        while True:
            self._changed.clear()
            try:
                await self._announce_now()
            except UnavailableError as error:
                logger.warning("cannot announce", extra={"error": error.detail})
            try:
                async with asyncio.timeout(self._interval):
                    await self._changed.wait()
            except TimeoutError:
                continue


class AnnouncementDirectory(Generic[Announcement]):
    """Live processes of a bucket, kept current by a watch. Use as an async context manager."""

    def __init__(self, bus: Bus, bucket: BucketDefinition, model: type[Announcement]) -> None:
        self._bus = bus
        self._bucket = bucket
        self._model: type[Announcement] = model
        self._announcements: dict[str, Announcement] = {}
        self._complete = asyncio.Event()
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = start_lasting(self._follow(), name=f"{self._bucket.name}-directory")
        await self._complete.wait()
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if self._task is not None:
            await end_tasks(self._task)

    def all(self) -> list[Announcement]:
        """What the live processes announced last."""
        return list(self._announcements.values())

    async def wait_for_change(self) -> None:
        """Returns after the next announcement, withdrawal or expiry."""
        await self._changed.wait()

    async def _follow(self) -> None:
        async for change in watch_bucket(self._bus, self._bucket):
            if change is None:
                self._complete.set()
                continue
            try:
                announcement = None if change.value is None else self._model.model_validate_json(change.value)
            except ValidationError as error:
                # What a newer version says must not hide the others.
                logger.error("cannot read an announcement", extra={"key": change.key, "error": str(error)})
                announcement = None
            if announcement is None:
                self._announcements.pop(change.key, None)
            else:
                self._announcements[change.key] = announcement
            self._changed.set()
            self._changed = asyncio.Event()
