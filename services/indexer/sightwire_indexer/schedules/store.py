"""A collection's schedules in the `schedules` bucket; each write is a compare-and-set."""

from typing import NoReturn

from nats.errors import Error as NatsError
from nats.js.errors import Error as JetStreamError
from nats.js.errors import KeyWrongLastSequenceError

from sightwire.bus.connection import Bus
from sightwire.bus.watching import read_bucket
from sightwire.contracts import subjects
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.operations import OperationRecord
from sightwire.contracts.schedules import ScheduleRecord
from sightwire.contracts.streams import OPERATIONS, SCHEDULES
from sightwire.errors import ConflictError, UnavailableError


class ScheduleStore:
    """Reads and writes; remembers the revision of each schedule."""

    def __init__(self, bus: Bus, collection: CollectionRecord) -> None:
        self._bus = bus
        self._collection = collection
        self._revisions: dict[str, int] = {}

    async def load(self) -> dict[str, ScheduleRecord]:
        """All schedules by name. Those of an earlier collection of the same name are removed.

        Raises:
            UnavailableError: the bus does not answer.
        """
        self._revisions.clear()
        records: dict[str, ScheduleRecord] = {}
        for entry in await read_bucket(self._bus, SCHEDULES, subjects.schedule_key(self._collection.name, "*")):
            record = ScheduleRecord.model_validate_json(entry.value or b"")
            self._revisions[record.name] = entry.revision
            records[record.name] = record
        for name, record in list(records.items()):
            if record.collection_uid != self._collection.uid:
                await self.delete(name)
                del records[name]
        return records

    async def write(self, record: ScheduleRecord) -> None:
        """Stores a schedule.

        Raises:
            ConflictError: somebody else wrote it: the collection has another owner now.
            UnavailableError: the bus did not confirm it; whether it was stored is unknown until it is loaded again.
        """
        key = subjects.schedule_key(record.collection, record.name)
        value = record.model_dump_json().encode()
        revision = self._revisions.get(record.name)
        bucket = await self._bus.bucket(SCHEDULES)
        try:
            if revision is None:
                self._revisions[record.name] = await bucket.create(key, value)
            else:
                self._revisions[record.name] = await bucket.update(key, value, last=revision)
        except (NatsError, JetStreamError, TimeoutError) as error:
            _raise_as_ours(error, record.name)

    async def delete(self, name: str) -> None:
        """Removes a schedule; raises as `write` does."""
        bucket = await self._bus.bucket(SCHEDULES)
        try:
            await bucket.delete(subjects.schedule_key(self._collection.name, name), last=self._revisions.get(name))
        except (NatsError, JetStreamError, TimeoutError) as error:
            _raise_as_ours(error, name)
        self._revisions.pop(name, None)

    async def operations_asked_by(self, requested_by: str) -> list[OperationRecord]:
        """Operations of this collection that were asked for under a name, oldest first.

        Raises:
            UnavailableError: the bus does not answer.
        """
        entries = await read_bucket(self._bus, OPERATIONS, subjects.operation_key(self._collection.name, "*"))
        operations = [OperationRecord.model_validate_json(entry.value or b"") for entry in entries]
        ours = [
            operation
            for operation in operations
            if operation.collection_uid == self._collection.uid and operation.requested_by == requested_by
        ]
        return sorted(ours, key=lambda operation: operation.created_at)


def _raise_as_ours(error: Exception, name: str) -> NoReturn:
    if isinstance(error, KeyWrongLastSequenceError):
        raise ConflictError(f"schedule {name!r} was written by another indexer meanwhile; try again") from error
    raise UnavailableError(f"the bus did not store schedule {name!r}: {error!r}; try again") from error
