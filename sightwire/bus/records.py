"""Reading what the owners of collections write for others: records of operations and of schedules."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Generic, TypeVar

from nats.js.errors import InvalidKeyError, KeyNotFoundError

from sightwire.bus.bucket_consumer import BucketChange
from sightwire.bus.connection import Bus
from sightwire.bus.watching import read_bucket, watch_bucket
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.operations import OperationRecord
from sightwire.contracts.schedules import ScheduleRecord
from sightwire.contracts.streams import BucketDefinition

Record = TypeVar("Record", OperationRecord, ScheduleRecord)


class RecordReader(Generic[Record]):
    """Reads a bucket whose keys are `<collection>.<name>`; records of deleted collections are as if not there."""

    def __init__(self, bus: Bus, bucket: BucketDefinition, model: type[Record]) -> None:
        self._bus = bus
        self._bucket = bucket
        self._model: type[Record] = model

    async def get(self, collection: CollectionRecord, name: str) -> Record | None:
        """A record, None if there is none."""
        bucket = await self._bus.bucket(self._bucket)
        try:
            entry = await bucket.get(f"{collection.name}.{name}")
        except (KeyNotFoundError, InvalidKeyError):
            return None
        return self._read(collection, entry.value)

    async def list(self, collection: CollectionRecord) -> list[Record]:
        """All records of a collection, in no order.

        Raises:
            UnavailableError: the bus does not answer.
        """
        entries = await read_bucket(self._bus, self._bucket, f"{collection.name}.*")
        records = (self._read(collection, entry.value) for entry in entries)
        return [record for record in records if record is not None]

    async def follow(
        self, collection: CollectionRecord, name: str, *, silence_seconds: float
    ) -> AsyncGenerator[Record | None]:
        """A record as it is, and each change of it until it is removed; None when nothing happened for so long."""
        changes = watch_bucket(self._bus, self._bucket, f"{collection.name}.{name}")
        pending: asyncio.Future[BucketChange | None] = asyncio.ensure_future(anext(changes))
        try:
            while True:
                done, _ = await asyncio.wait({pending}, timeout=silence_seconds)
                if not done:
                    yield None
                    continue
                change = pending.result()
                pending = asyncio.ensure_future(anext(changes))
                if change is None:
                    continue
                record = self._read(collection, change.value)
                if record is None:
                    return
                yield record
        finally:
            pending.cancel()
            await asyncio.gather(pending, return_exceptions=True)
            await changes.aclose()

    def _read(self, collection: CollectionRecord, value: bytes | None) -> Record | None:
        if not value:
            return None
        record = self._model.model_validate_json(value)
        return record if record.collection_uid == collection.uid else None
