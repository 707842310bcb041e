"""Tells on the bus what happens to registered models."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from sightwire.bus.connection import Bus
from sightwire.bus.headers import event_headers
from sightwire.ending_tasks import end_tasks
from sightwire.errors import SightwireError
from sightwire_orchestrator.registry.events import ModelEvent, ModelEventStore

logger = logging.getLogger(__name__)

#: Others change the registry, too: commands where no orchestrator runs.
_LOOK_SECONDS: Final = 5.0
_AT_ONCE: Final = 100


class ModelEventPublisher:
    """Publishes kept events in order, each at least once; a repetition has the same `Nats-Msg-Id`."""

    def __init__(self, bus: Bus, events: ModelEventStore) -> None:
        self._bus = bus
        self._events = events
        self._changed = asyncio.Event()

    def look(self) -> None:
        """There may be new events: not to wait until they are found."""
        self._changed.set()

    @asynccontextmanager
    async def publishing(self) -> AsyncIterator[None]:
        """Publishes while the block runs; what the bus does not take is tried again."""
        task = asyncio.create_task(self._publish_again_and_again(), name="publish model events")
        try:
            yield
        finally:
            await end_tasks(task)

    async def publish_waiting(self) -> None:
        """Publishes all that waits.

        Raises:
            UnavailableError: bus or database do not answer; what was not confirmed waits on.
        """
        while events := await self._events.waiting(_AT_ONCE):
            for event in events:
                await self._bus.publish(event.kind.subject, event.document.encode(), _headers(event))
            await self._events.remove(events)

    async def _publish_again_and_again(self) -> None:
        while True:
            self._changed.clear()
            try:
                await self.publish_waiting()
            except SightwireError as error:
                logger.warning("events of models cannot be published now", extra={"error": error.detail})
            except Exception:
                # The next time may be better, and runs must go on in any case.
                logger.exception("publishing events of models failed")
            try:
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._changed.wait()
            except TimeoutError:
                continue


def _headers(event: ModelEvent) -> dict[str, str]:
    return event_headers(
        event_type=f"sightwire.model.{event.kind}", source="orchestrator", subject=event.about, message_id=event.id
    )
