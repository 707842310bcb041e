"""Server-sent events: each change of something, until nothing more will come or the gateway drains."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Final

from starlette.responses import StreamingResponse

from sightwire.bus.item_status import ItemStatusStore
from sightwire.contracts.events import ItemStatus
from sightwire_gateway.waiting import follow_until_final

KEEP_ALIVE_SECONDS: Final = 15.0
_HEADERS: Final = {"cache-control": "no-cache", "x-accel-buffering": "no"}
_KEEP_ALIVE: Final = b": still here\n\n"


def status_events(
    statuses: ItemStatusStore, collection: str, item_ids: list[str], *, stopping: asyncio.Event
) -> StreamingResponse:
    """A stream of `status` events, one for each change of an item, until all are final."""
    changes = follow_until_final(statuses, collection, item_ids, silence_seconds=KEEP_ALIVE_SECONDS)
    return change_events("status", _as_json(changes), stopping=stopping)


def change_events(name: str, changes: AsyncGenerator[str | None], *, stopping: asyncio.Event) -> StreamingResponse:
    """A stream of events of one name, and one `end` event with the reason: `final` or `draining`.

    Args:
        name: of the events.
        changes: what to tell, as JSON; None when nothing happened for a while, to keep the connection alive.
        stopping: set when the gateway begins to drain.
    """
    return StreamingResponse(_stream(name, changes, stopping), media_type="text/event-stream", headers=_HEADERS)


def event(name: str, data: str) -> bytes:
    """One event; `data` has no line breaks, as JSON has none."""
    return f"event: {name}\ndata: {data}\n\n".encode()


async def _stream(name: str, changes: AsyncGenerator[str | None], stopping: asyncio.Event) -> AsyncIterator[bytes]:
    drained = asyncio.ensure_future(stopping.wait())
    step: asyncio.Future[str | _End | None] | None = None
    # Says at once that the stream stands: the first change may take a while.
    yield _KEEP_ALIVE
    try:
        while True:
            step = asyncio.ensure_future(anext(changes, _END))
            await asyncio.wait({step, drained}, return_when=asyncio.FIRST_COMPLETED)
            if not step.done():
                yield event("end", '{"reason":"draining"}')
                return
            change = step.result()
            if isinstance(change, _End):
                yield event("end", '{"reason":"final"}')
                return
            yield event(name, change) if change is not None else _KEEP_ALIVE
    finally:
        drained.cancel()
        if step is not None:
            # The caller may have left while the next change was awaited.
            step.cancel()
            await asyncio.gather(step, return_exceptions=True)
        await changes.aclose()


async def _as_json(changes: AsyncGenerator[ItemStatus | None]) -> AsyncGenerator[str | None]:
    async with aclosing(changes):
        async for status in changes:
            yield status.model_dump_json(exclude_none=True) if status is not None else None


class _End:
    """Marks that no change will come any more."""


_END: Final = _End()
