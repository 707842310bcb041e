"""Deliveries that came in one message: each is answered for on its own, the bus hears one answer for all."""

import time
from dataclasses import replace
from typing import Final

from sightwire.bus.headers import CONTENT_TYPE, JSON
from sightwire.contracts import ingest_batches
from sightwire.errors import InvalidInputError
from sightwire.telemetry.tracing import TRACEPARENT
from sightwire_embedder.ingest.delivery import Acknowledger, IngestDelivery

#: Word that a message is still worked on is passed on no more often than this.
_PROGRESS_SECONDS: Final = 1.0


class SharedMessage:
    """Answers the bus once all `parts` deliveries of a message were answered for.

    If any of them is to be tried again, the whole message is: those that were done are done again with the same
    version, which the indexer ignores.
    """

    def __init__(self, message: Acknowledger, parts: int) -> None:
        self._message = message
        self._waiting = parts
        #: Of those parts that are to be tried again.
        self._delays: list[float] = []
        self._progress_at = 0.0

    async def ack(self) -> None:
        await self._answer()

    async def nak(self, delay: int | float | None = None) -> None:
        self._delays.append(delay or 0.0)
        await self._answer()

    async def in_progress(self) -> None:
        now = time.monotonic()
        if now - self._progress_at >= _PROGRESS_SECONDS:
            self._progress_at = now
            await self._message.in_progress()

    async def _answer(self) -> None:
        self._waiting -= 1
        if self._waiting:
            return
        if self._delays:
            await self._message.nak(max(self._delays) or None)
        else:
            await self._message.ack()


def taken_apart(delivery: IngestDelivery) -> list[IngestDelivery]:
    """The deliveries in a message: one for each event of a batch; the delivery itself if it is no batch.

    A batch that cannot be read stays whole, and is found malformed like any other event.
    """
    if delivery.headers.get(CONTENT_TYPE) != ingest_batches.CONTENT_TYPE:
        return [delivery]
    try:
        events = ingest_batches.decode_batch(delivery.payload)
    except InvalidInputError:
        return [delivery]
    message = SharedMessage(delivery.message, len(events))
    headers = {name: value for name, value in delivery.headers.items() if name != TRACEPARENT} | {CONTENT_TYPE: JSON}
    return [
        replace(
            delivery,
            payload=event.payload,
            headers=headers | {TRACEPARENT: event.traceparent} if event.traceparent else headers,
            message=message,
            position=position,
        )
        for position, event in enumerate(events)
    ]
