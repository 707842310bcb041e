"""How far each item has come: the `item_status` bucket.

Writers do not wait for an acknowledgement: the bucket is derived data, and messages of one connection keep their order,
so that a status sent before an event is stored before whatever that event causes.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from nats.aio.msg import Msg
from nats.js.errors import KeyNotFoundError

from sightwire.bus.connection import Bus
from sightwire.contracts import subjects
from sightwire.contracts.events import ItemStatus
from sightwire.contracts.streams import ITEM_STATUS

_UPDATES_BUFFERED: Final = 256
#: Statuses are read again after silences from the first to the longest, doubling. The server stores a message a moment
#: after it has delivered it: who subscribes and reads within that moment gets neither the message nor what it stores.
#: Nothing is delivered either while a lost connection is renewed.
_FIRST_SILENCE_SECONDS: Final = 0.1
_LONGEST_SILENCE_SECONDS: Final = 5.0


class ItemStatusStore:
    """Reads, writes and follows item statuses."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def send(self, status: ItemStatus) -> None:
        """Writes a status without waiting for the server."""
        key = subjects.item_status_key(status.collection, status.id)
        await self._bus.client.publish(
            subjects.key_value(ITEM_STATUS.name, key), status.model_dump_json(exclude_none=True).encode()
        )

    async def send_all(self, statuses: Sequence[ItemStatus]) -> None:
        """Writes statuses and returns when the server has stored the last, and so all of them.

        Raises:
            UnavailableError: the server did not confirm it.
        """
        # No flush of the connection: nats-py stops reading when a flush is cancelled before its answer comes.
        for status in statuses[:-1]:
            await self.send(status)
        for status in statuses[-1:]:
            key = subjects.item_status_key(status.collection, status.id)
            await self._bus.publish(
                subjects.key_value(ITEM_STATUS.name, key), status.model_dump_json(exclude_none=True).encode(), {}
            )

    async def get(self, collection: str, item_id: str) -> ItemStatus | None:
        """The last status of an item, None for an item that was never seen."""
        bucket = await self._bus.bucket(ITEM_STATUS)
        try:
            entry = await bucket.get(subjects.item_status_key(collection, item_id), validate_keys=False)
        except KeyNotFoundError:
            return None
        return ItemStatus.model_validate_json(entry.value or b"")

    async def _get_all(self, collection: str, item_ids: Sequence[str]) -> list[ItemStatus]:
        """The statuses of those items that have one."""
        return [status for item_id in item_ids if (status := await self.get(collection, item_id)) is not None]

    @asynccontextmanager
    async def follow(self, collection: str, *item_ids: str) -> AsyncIterator[AsyncIterator[ItemStatus]]:
        """Statuses of some items from now on: the current one of each first, then each change.

        A put to a key is a message, so that following costs one subscription an item and no consumer; what is not
        delivered is found by reading again, soon at first, then every few seconds::

            async with statuses.follow("demo", "a", "b") as updates:
                async for status in updates:
                    ...
        """
        arrived: asyncio.Queue[ItemStatus] = asyncio.Queue(_UPDATES_BUFFERED)

        async def enqueue(message: Msg) -> None:
            if message.data:
                await arrived.put(ItemStatus.model_validate_json(message.data))

        subscriptions = [
            await self._bus.client.subscribe(
                subjects.key_value(ITEM_STATUS.name, subjects.item_status_key(collection, item_id)), cb=enqueue
            )
            for item_id in item_ids
        ]

        async def updates() -> AsyncIterator[ItemStatus]:
            known: dict[str, ItemStatus] = {}
            silence = _FIRST_SILENCE_SECONDS
            # Subscribed first, read second: a change in between comes twice rather than never.
            changed = await self._get_all(collection, item_ids)
            while True:
                for status in changed:
                    if known.get(status.id) != status:
                        known[status.id] = status
                        yield status
                try:
                    async with asyncio.timeout(silence):
                        changed = [await arrived.get()]
                except TimeoutError:
                    changed = await self._get_all(collection, item_ids)
                    silence = min(2 * silence, _LONGEST_SILENCE_SECONDS)

        try:
            yield updates()
        finally:
            for subscription in subscriptions:
                await subscription.unsubscribe()
