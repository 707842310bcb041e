"""Operations on indexes as callers see them: found by id, listed, followed. The indexers carry them out."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing

import orjson

from sightwire.bus.records import RecordReader
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.operations import OperationRecord, OperationState
from sightwire.errors import NotFoundError
from sightwire_gateway.sse import KEEP_ALIVE_SECONDS
from sightwire_gateway.users_names import in_users_words

#: What the indexer keeps for itself.
_HIDDEN = {"memory"}


async def find_operation(
    reader: RecordReader[OperationRecord], collection: str, copies: Iterable[CollectionRecord], operation: str
) -> tuple[CollectionRecord, OperationRecord]:
    """An operation, and the record of the index that it is done to.

    Args:
        copies: the indexes that hold the collection's items: an operation goes on when another one begins to answer.

    Raises:
        NotFoundError: there is none with this id, or it ended long ago and was forgotten.
    """
    for index in copies:
        record = await reader.get(index, operation)
        if record is not None:
            return index, record
    raise NotFoundError(
        f"there is no operation {operation!r} of collection {collection!r}; GET "
        f"/v1/collections/{collection}/operations lists those of the last 30 days"
    )


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
    reader: RecordReader[OperationRecord], index: CollectionRecord, operation: str
) -> AsyncGenerator[str | None]:
    """The operation as JSON, and each change of it until it has ended; None after each long silence."""
    async with aclosing(reader.follow(index, operation, silence_seconds=KEEP_ALIVE_SECONDS)) as changes:
        async for record in changes:
            yield public_operation(record, index).decode() if record is not None else None
            if record is not None and record.state.is_final:
                return


def public_operation(record: OperationRecord, index: CollectionRecord) -> bytes:
    """An operation on an index as answers show it, JSON."""
    return orjson.dumps(in_users_words(record.model_dump(mode="json", exclude=_HIDDEN), index))
