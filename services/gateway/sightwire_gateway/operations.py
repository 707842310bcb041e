"""Operations on indexes as callers see them: found by id, listed, followed. The indexers carry them out."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from sightwire.bus.records import RecordReader
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.operations import OperationRecord, OperationState
from sightwire.errors import NotFoundError
from sightwire_gateway.sse import KEEP_ALIVE_SECONDS

#: What the indexer keeps for itself.
_HIDDEN = {"memory"}


async def find_operation(
    reader: RecordReader[OperationRecord], collection: CollectionRecord, operation: str
) -> OperationRecord:
    """An operation.

    Raises:
        NotFoundError: there is none with this id, or it ended long ago and was forgotten.
    """
    record = await reader.get(collection, operation)
    if record is None:
        raise NotFoundError(
            f"there is no operation {operation!r} of collection {collection.name!r}; GET "
            f"/v1/collections/{collection.name}/operations lists those of the last 30 days"
        )
    return record


def newest_first(
    records: list[OperationRecord], *, kind: str | None, state: OperationState | None, limit: int
) -> list[OperationRecord]:
    """Those of a kind and in a state, if one is given."""
    wanted = [
        record
        for record in records
        if (kind is None or record.command.kind == kind) and (state is None or record.state is state)
    ]
    return sorted(wanted, key=lambda record: record.created_at, reverse=True)[:limit]


async def follow_until_ended(
    reader: RecordReader[OperationRecord], collection: CollectionRecord, operation: str
) -> AsyncGenerator[str | None]:
    """The operation as JSON, and each change of it until it has ended; None after each long silence."""
    async with aclosing(reader.follow(collection, operation, silence_seconds=KEEP_ALIVE_SECONDS)) as changes:
        async for record in changes:
            yield public_operation(record).decode() if record is not None else None
            if record is not None and record.state.is_final:
                return


def public_operation(record: OperationRecord) -> bytes:
    """An operation as answers show it, JSON."""
    return record.model_dump_json(exclude=_HIDDEN).encode()
