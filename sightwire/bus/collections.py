"""The registry of collections: the `collections` bucket, and a live copy of it in each service."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Final, Self

from nats.errors import Error as NatsError
from nats.js.errors import Error as JetStreamError
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError
from pydantic import ValidationError

from sightwire.bus.connection import Bus
from sightwire.bus.watching import read_bucket, watch_bucket
from sightwire.contracts import subjects
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.streams import COLLECTIONS, INGEST, REEMBED, SCHEDULES
from sightwire.ending_tasks import end_tasks
from sightwire.errors import ConflictError, UnavailableError, UnknownCollectionError
from sightwire.lasting_tasks import start_lasting

logger = logging.getLogger(__name__)

#: Losses against other writers after which something writes a record over and over.
_CHANGE_ATTEMPTS: Final = 20

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
        record, _ = await self._read(name)
        return record

    async def change(self, name: str, change: Callable[[CollectionRecord], CollectionRecord]) -> CollectionRecord:
        """Changes a collection by compare-and-set, and returns it as it is then.

        Args:
            change: makes the new record of the present one; called again with a newer one when another writer was
                faster. What it raises ends the change, and nothing is written. Returning what it got writes nothing.

        Raises:
            UnknownCollectionError: there is none.
            ConflictError: other writers were faster again and again.
            UnavailableError: the bus does not answer; whether the change was stored is then unknown.
        """
        bucket = await self._bus.bucket(COLLECTIONS)
        for _ in range(_CHANGE_ATTEMPTS):
            try:
                record, revision = await self._read(name)
                changed = change(record)
                assert (changed.name, changed.uid) == (record.name, record.uid), "a collection stays the same one"
                if changed != record:
                    await bucket.update(name, changed.model_dump_json().encode(), last=revision)
                return changed
            except KeyWrongLastSequenceError:
                continue
            except (NatsError, JetStreamError, TimeoutError) as error:
                raise UnavailableError(f"the bus did not change collection {name!r}: {error!r}; try again") from error
        raise ConflictError(f"collection {name!r} was changed by others {_CHANGE_ATTEMPTS} times meanwhile; try again")

    async def delete(self, name: str) -> None:
        """Removes a collection with its shadows, its schedules and its items that still wait; indexer and searchers
        then drop what they hold of it.

        A collection that is created again under the name would otherwise get items of the old one. May be repeated.

        Raises:
            UnknownCollectionError: there is none.
            ConflictError: it is the shadow that answers for its collection.
        """
        record = await self.get(name)
        if record.shadow_of is None:
            # Before their collection: whoever repeats a deletion that was cut short asks for that one.
            for shadow in await self._shadows(name):
                await self._remove(shadow)
        else:
            await self._leave(record.shadow_of, shadow=name)
        await self._remove(name)

    async def _read(self, name: str) -> tuple[CollectionRecord, int]:
        """A collection, and the revision at which it is stored."""
        bucket = await self._bus.bucket(COLLECTIONS)
        try:
            entry = await bucket.get(name)
        except KeyNotFoundError as error:
            raise unknown_collection(name, []) from error
        return CollectionRecord.model_validate_json(entry.value or b""), entry.revision or 0

    async def _shadows(self, name: str) -> list[str]:
        """Shadows of a collection, also those that its record does not name yet, or not any more."""
        entries = await read_bucket(self._bus, COLLECTIONS)
        records = (CollectionRecord.model_validate_json(entry.value or b"") for entry in entries)
        return [record.name for record in records if record.shadow_of == name]

    async def _leave(self, users_name: str, *, shadow: str) -> None:
        """Makes a collection's record do without a shadow."""

        def without_shadow(record: CollectionRecord) -> CollectionRecord:
            if record.answering == shadow:
                raise ConflictError(
                    f"{shadow!r} answers for collection {users_name!r}; let another of its indexes answer first"
                )
            canary = None if record.canary is not None and record.canary.shadow == shadow else record.canary
            others = tuple(other for other in record.shadows if other != shadow)
            return record.model_copy(update={"shadows": others, "canary": canary})

        try:
            await self.change(users_name, without_shadow)
        except UnknownCollectionError:
            return

    async def _remove(self, name: str) -> None:
        bucket = await self._bus.bucket(COLLECTIONS)
        await bucket.delete(name)
        jetstream = self._bus.jetstream
        await jetstream.purge_stream(INGEST.name, subject=subjects.ingest(name))
        await jetstream.purge_stream(REEMBED.name, subject=subjects.reembed(name))
        schedules = subjects.key_value(SCHEDULES.name, subjects.schedule_key(name, "*"))
        await jetstream.purge_stream(f"KV_{SCHEDULES.name}", subject=schedules)


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
        self._task = start_lasting(self._follow(), name="collection-directory")
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
            try:
                record = CollectionRecord.model_validate_json(change.value) if change.value is not None else None
            except ValidationError as error:
                # What a newer version wrote must not keep the others from being followed.
                logger.error("cannot read a collection", extra={"collection": change.key, "error": str(error)})
                continue
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
