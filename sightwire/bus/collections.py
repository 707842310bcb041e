"""The registry of collections: the `collections` bucket, and a live copy of it in each service."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError

from sightwire.bus.connection import Bus
from sightwire.bus.watching import watch_bucket
from sightwire.contracts import subjects
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.streams import COLLECTIONS, INGEST, SCHEDULES
from sightwire.ending_tasks import end_tasks
from sightwire.errors import ConflictError, UnknownCollectionError

logger = logging.getLogger(__name__)

#: Called with the name and the record, or with None when the collection was deleted.
CollectionListener = Callable[[str, CollectionRecord | None], Awaitable[None]]


class CollectionRegistry:
    """Writes collections; each change is a compare-and-set."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def create(self, record: CollectionRecord) -> None:
        """Registers a collection.

        Raises:
            ConflictError: the name is taken.
        """
        bucket = await self._bus.bucket(COLLECTIONS)
        try:
            await bucket.create(record.name, record.model_dump_json().encode())
        except KeyWrongLastSequenceError as error:
            raise ConflictError(f"collection {record.name!r} exists already; delete it or choose a name") from error

    async def get(self, name: str) -> CollectionRecord:
        """A collection, read from the bus.

        Raises:
            UnknownCollectionError: there is none.
        """
        bucket = await self._bus.bucket(COLLECTIONS)
        try:
            entry = await bucket.get(name)
        except KeyNotFoundError as error:
            raise unknown_collection(name, []) from error
        return CollectionRecord.model_validate_json(entry.value or b"")

    async def delete(self, name: str) -> None:
        """Removes a collection, its schedules and its events that still wait; indexer and searchers then drop what they
        hold of it.

        A collection that is created again under the name would otherwise get items of the old one.

        Raises:
            UnknownCollectionError: there is none.
        """
        await self.get(name)
        bucket = await self._bus.bucket(COLLECTIONS)
        await bucket.delete(name)
        await self._bus.jetstream.purge_stream(INGEST.name, subject=subjects.ingest(name))
        schedules = subjects.key_value(SCHEDULES.name, subjects.schedule_key(name, "*"))
        await self._bus.jetstream.purge_stream(f"KV_{SCHEDULES.name}", subject=schedules)


class CollectionDirectory:
    """All collections, kept current by a watch, so that looking one up costs nothing.

    Use as an async context manager: entering returns once the present state is complete. Listeners registered before
    entering are called one after the other, for each present collection and then for each change.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._records: dict[str, CollectionRecord] = {}
        self._listeners: list[CollectionListener] = []
        self._complete = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def add_listener(self, listener: CollectionListener) -> None:
        self._listeners.append(listener)

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._follow(), name="collection-directory")
        await self._complete.wait()
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if self._task is not None:
            await end_tasks(self._task)

    def find(self, name: str) -> CollectionRecord | None:
        """A collection, None if there is none."""
        return self._records.get(name)

    def get(self, name: str) -> CollectionRecord:
        """A collection.

        Raises:
            UnknownCollectionError: there is none.
        """
        record = self._records.get(name)
        if record is None:
            raise unknown_collection(name, sorted(self._records))
        return record

    def all(self) -> list[CollectionRecord]:
        """All collections by name."""
        return [self._records[name] for name in sorted(self._records)]

    async def _follow(self) -> None:
        async for change in watch_bucket(self._bus, COLLECTIONS):
            if change is None:
                self._complete.set()
                continue
            record = CollectionRecord.model_validate_json(change.value) if change.value is not None else None
            if record is None:
                self._records.pop(change.key, None)
            else:
                self._records[change.key] = record
            for listener in self._listeners:
                try:
                    await listener(change.key, record)
                except Exception:
                    logger.exception("a listener failed on a change of a collection", extra={"collection": change.key})


def unknown_collection(name: str, known: list[str]) -> UnknownCollectionError:
    """The error for a name that nobody created."""
    hint = f" (there are: {', '.join(known[:20])})" if known else ""
    return UnknownCollectionError(f"there is no collection {name!r}{hint}; create it first")
