"""Operations in the `operations` bucket, by compare-and-set, and the event that tells of each change."""

from dataclasses import dataclass
from datetime import UTC, datetime

from nats.errors import Error as NatsError
from nats.js.errors import Error as JetStreamError
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError

from sightwire.bus.connection import Bus
from sightwire.bus.headers import event_headers
from sightwire.bus.watching import read_bucket
from sightwire.contracts import subjects
from sightwire.contracts.operations import OperationRecord, OperationState
from sightwire.contracts.streams import OPERATIONS
from sightwire.errors import ConflictError, NotFoundError, UnavailableError


@dataclass(frozen=True, slots=True)
class StoredOperation:
    """An operation and the revision at which it is stored."""

    record: OperationRecord
    revision: int


class OperationStore:
    """Only the owner of a collection writes its operations; compare-and-set tells it when it is not that any more."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def unfinished(self, collection: str) -> list[StoredOperation]:
        """Operations of a collection's name that have not ended, of all its incarnations, oldest first.

        Raises:
            UnavailableError: the bus does not answer.
        """
        found = [
            StoredOperation(OperationRecord.model_validate_json(change.value or b""), change.revision)
            for change in await read_bucket(self._bus, OPERATIONS, subjects.operation_key(collection, "*"))
        ]
        running = [stored for stored in found if not stored.record.state.is_final]
        return sorted(running, key=lambda stored: stored.record.created_at)

    async def get(self, collection: str, operation: str) -> OperationRecord:
        """An operation.

        Raises:
            NotFoundError: there is none of this id, or not any more.
            UnavailableError: the bus does not answer.
        """
        try:
            bucket = await self._bus.bucket(OPERATIONS)
            entry = await bucket.get(subjects.operation_key(collection, operation))
        except KeyNotFoundError:
            raise NotFoundError(f"collection {collection!r} has no operation {operation!r}") from None
        except (NatsError, JetStreamError, TimeoutError) as error:
            raise UnavailableError(f"the bus did not say what became of operation {operation!r}: {error!r}") from error
        return OperationRecord.model_validate_json(entry.value or b"")

    async def write(self, record: OperationRecord, *, after: int) -> StoredOperation:
        """Stores a record in the place of the revision `after`, 0 for a new one. May be repeated.

        Raises:
            ConflictError: another process goes on with it: it owns the collection now.
            UnavailableError: the bus did not confirm it.
        """
        data = record.model_dump_json().encode()
        try:
            return StoredOperation(record, await self._put(record, data, after))
        except (NatsError, JetStreamError, TimeoutError) as error:
            raise UnavailableError(f"the bus did not take operation {record.id}: {error!r}") from error

    async def tell(self, record: OperationRecord) -> None:
        """Publishes a record that is stored.

        Raises:
            UnavailableError: the bus did not confirm it.
        """
        await self._bus.publish(
            subjects.index_build(record.collection),
            record.model_dump_json().encode(),
            event_headers(event_type="sightwire.index.build", source="indexer", subject=record.collection),
        )

    async def _put(self, record: OperationRecord, data: bytes, after: int) -> int:
        bucket = await self._bus.bucket(OPERATIONS)
        key = subjects.operation_key(record.collection, record.id)
        try:
            return await bucket.update(key, data, last=after)
        except KeyWrongLastSequenceError:
            entry = await bucket.get(key)
            if entry.value == data and entry.revision is not None:
                return entry.revision
            stored = OperationRecord.model_validate_json(entry.value or b"")
            # Whoever takes an operation over counts another attempt. Fewer are a write of our own, of which we did not
            # hear that it was stored.
            if stored.attempts > record.attempts or stored.state.is_final:
                raise ConflictError(f"another indexer changed operation {record.id} of {record.collection!r}") from None
            return await bucket.update(key, data, last=entry.revision)

    async def end_orphans(self, collection: str, *, living_uid: str | None) -> None:
        """Ends the unfinished operations on indexes of a collection that are gone.

        Args:
            living_uid: uid of the incarnation that has an index, None if none has.

        Raises:
            UnavailableError: the bus does not answer.
        """
        for stored in await self.unfinished(collection):
            if stored.record.collection_uid != living_uid:
                record = ended(stored.record, OperationState.FAILED, error="the collection or its index was deleted")
                await self.write(record, after=stored.revision)
                await self.tell(record)


def ended(
    record: OperationRecord,
    state: OperationState,
    *,
    error: str | None = None,
    result: dict[str, object] | None = None,
) -> OperationRecord:
    """The record of an operation that ends now. What it remembered is of no use any more."""
    now = datetime.now(UTC)
    return record.model_copy(
        update={
            "state": state,
            "error": error,
            "result": result or {},
            "memory": {},
            "updated_at": now,
            "finished_at": now,
        }
    )
