"""A collection's schedules: the `schedules` bucket, with a copy of what its one writer wrote."""

import logging
from typing import NoReturn

from nats.errors import Error as NatsError
from nats.js.errors import Error as JetStreamError
from nats.js.errors import KeyWrongLastSequenceError
from pydantic import ValidationError

from sightwire.bus.connection import Bus
from sightwire.bus.watching import read_bucket
from sightwire.contracts import subjects
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.schedules import ScheduleRecord
from sightwire.contracts.streams import SCHEDULES
from sightwire.errors import ConflictError, NotFoundError, UnavailableError
from sightwire_indexer.schedules import metrics

logger = logging.getLogger(__name__)


class ScheduleStore:
    """Each write is a compare-and-set. What is read is the copy; it is loaded when it is first asked for, and again
    after a write of which it is not known whether it was stored.
    """

    def __init__(self, bus: Bus, collection: CollectionRecord) -> None:
        self._bus = bus
        self._collection = collection
        self._records: dict[str, ScheduleRecord] | None = None
        self._revisions: dict[str, int] = {}

    async def all(self) -> dict[str, ScheduleRecord]:
        """All schedules by name; the dictionary changes with them.

        Raises:
            ConflictError, UnavailableError: as `write` does.
        """
        if self._records is None:
            self._records = await self._load()
        return self._records

    async def get(self, name: str) -> ScheduleRecord:
        """One schedule.

        Raises:
            NotFoundError: there is none of this name.
            ConflictError, UnavailableError: as `write` does.
        """
        records = await self.all()
        if name not in records:
            known = f" (there are: {', '.join(sorted(records))})" if records else ""
            raise NotFoundError(f"collection {self._collection.name!r} has no schedule {name!r}{known}")
        return records[name]

    async def write(self, record: ScheduleRecord) -> None:
        """Stores a schedule.

        Raises:
            ConflictError: somebody else wrote it: the collection has another owner now.
            UnavailableError: the bus did not confirm it; whether it was stored is unknown.
        """
        records = await self.all()
        key = subjects.schedule_key(record.collection, record.name)
        value = record.model_dump_json().encode()
        revision = self._revisions.get(record.name)
        try:
            bucket = await self._bus.bucket(SCHEDULES)
            if revision is None:
                self._revisions[record.name] = await bucket.create(key, value)
            else:
                self._revisions[record.name] = await bucket.update(key, value, last=revision)
        except (NatsError, JetStreamError, TimeoutError) as error:
            self._fail(error, record.name)
        records[record.name] = record
        metrics.observe(record)

    async def delete(self, name: str) -> None:
        """Removes a schedule; raises as `write` does."""
        records = await self.all()
        await self._remove(name)
        del records[name]
        metrics.forget(self._collection.name, name)

    def close(self) -> None:
        """Withdraws what is measured of the schedules; another indexer may own them next."""
        for name in self._records or ():
            metrics.forget(self._collection.name, name)

    async def _load(self) -> dict[str, ScheduleRecord]:
        records: dict[str, ScheduleRecord] = {}
        self._revisions.clear()
        for entry in await read_bucket(self._bus, SCHEDULES, subjects.schedule_key(self._collection.name, "*")):
            try:
                record = ScheduleRecord.model_validate_json(entry.value or b"")
            except ValidationError as error:
                # One of a newer version, perhaps; the collection is indexed without it.
                logger.error("a schedule cannot be read", extra={"key": entry.key, "error": str(error)})
                continue
            self._revisions[record.name] = entry.revision
            if record.collection_uid == self._collection.uid:
                records[record.name] = record
                metrics.observe(record)
            else:
                # Of a collection that was deleted, and whose name another one has now.
                await self._remove(record.name)
        return records

    async def _remove(self, name: str) -> None:
        try:
            bucket = await self._bus.bucket(SCHEDULES)
            await bucket.delete(subjects.schedule_key(self._collection.name, name), last=self._revisions.get(name))
        except (NatsError, JetStreamError, TimeoutError) as error:
            self._fail(error, name)
        self._revisions.pop(name, None)

    def _fail(self, error: Exception, name: str) -> NoReturn:
        self._records = None
        if isinstance(error, KeyWrongLastSequenceError):
            raise ConflictError(f"schedule {name!r} was written by another indexer meanwhile; try again") from error
        raise UnavailableError(f"the bus did not store schedule {name!r}: {error!r}; try again") from error
