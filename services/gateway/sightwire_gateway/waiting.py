"""Waits until items are final, by following their statuses."""

import asyncio
from collections.abc import AsyncGenerator

from sightwire.bus.item_status import ItemStatusStore
from sightwire.contracts.events import ItemState, ItemStatus
from sightwire.errors import NotFoundError
from sightwire_gateway import metrics
from sightwire_gateway.errors import ItemFailedError, ItemNotInTimeError


def settles(status: ItemStatus, version: int | None) -> bool:
    """Whether `status` is the end for a put of `version`: final, and not what became of an earlier put."""
    if not status.is_final:
        return False
    return version is None or (status.version is not None and status.version >= version)


async def wait_until_final(
    statuses: ItemStatusStore, collection: str, item_id: str, *, version: int | None, seconds: float
) -> ItemStatus:
    """The final status of an item.

    Args:
        statuses: where statuses are.
        collection: the item's collection.
        item_id: the item.
        version: of the put or deletion that is waited for; None for whichever is the last.
        seconds: how long to wait.

    Raises:
        ItemFailedError: it failed; the message has the reason.
        ItemNotInTimeError: it was not final in time; it stays accepted.
    """
    last: ItemStatus | None = None
    with metrics.WAITERS.track_inprogress():
        try:
            async with asyncio.timeout(seconds), statuses.follow(collection, item_id) as updates:
                async for status in updates:
                    last = status
                    if settles(status, version):
                        break
        except TimeoutError:
            # It may have been stored since statuses were read last.
            last = await statuses.get(collection, item_id) or last
    if last is None or not settles(last, version):
        raise ItemNotInTimeError(
            f"item {item_id!r} was not searchable after {seconds:g} s; it stays accepted "
            f"(now: {last.state.value if last is not None else 'unknown'}), follow its status"
        )
    if last.state is ItemState.FAILED:
        raise ItemFailedError(f"item {item_id!r} failed: {last.reason or 'no reason was given'}")
    return last


async def follow_until_final(
    statuses: ItemStatusStore, collection: str, item_ids: list[str], *, silence_seconds: float
) -> AsyncGenerator[ItemStatus | None]:
    """Each change of several items until all are final; None when nothing happened for `silence_seconds`."""
    open_items = set(item_ids)
    with metrics.WAITERS.track_inprogress():
        async with statuses.follow(collection, *item_ids) as updates:
            pending = asyncio.ensure_future(anext(updates))
            try:
                while open_items:
                    done, _ = await asyncio.wait({pending}, timeout=silence_seconds)
                    if not done:
                        yield None
                        continue
                    status = pending.result()
                    pending = asyncio.ensure_future(anext(updates))
                    if status.is_final:
                        open_items.discard(status.id)
                    yield status
            finally:
                pending.cancel()
                await asyncio.gather(pending, return_exceptions=True)


async def known_status(statuses: ItemStatusStore, collection: str, item_id: str) -> ItemStatus:
    """The last status of an item.

    Raises:
        NotFoundError: nobody ever put it.
    """
    status = await statuses.get(collection, item_id)
    if status is None:
        raise NotFoundError(f"there is no item {item_id!r} in collection {collection!r}")
    return status
