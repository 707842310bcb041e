"""Sends the items that a collection has to be embedded into its shadow, in the background."""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Final

from sightwire.bus.connection import Bus
from sightwire.bus.migrations import Migrations
from sightwire.bus.reembedding import VersionedEvent, reembed_messages
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.migrations import Filling, Migration
from sightwire_orchestrator.migrations.lag import read_lag
from sightwire_orchestrator.migrations.opened import OpenedMigration
from sightwire_orchestrator.migrations.pace import Pace
from sightwire_orchestrator.migrations.renewals import renewal
from sightwire_orchestrator.migrations.searching import Searchers

_PAGE_ITEMS: Final = 256
#: Of a message: few enough for an embedder to be done with it soon.
_BATCH_ITEMS: Final = 32
#: How often it is looked whether there is room again.
_LOOK_SECONDS: Final = 0.25

FillingListener = Callable[[Filling], None]


async def fill(
    bus: Bus, opened: OpenedMigration, searchers: Searchers, pace: Pace, *, on_progress: FillingListener
) -> Filling:
    """Sends every item once, from where an attempt before this one had come to.

    What is put meanwhile gets to the shadow by itself. An item may be sent twice, which does no harm: in the version
    that it has it counts once.

    Raises:
        SightwireError: bus or searchers do not answer.
    """
    migrations = Migrations(bus)
    filling = opened.migration.filling
    if filling.is_done:
        return filling
    filling = filling.model_copy(update={"total": max(await searchers.count(opened.source), filling.sent)})
    started, sent_before = time.monotonic(), filling.sent
    while True:
        waiting = await _room(bus, opened, pace, filling, on_progress)
        items, token = await searchers.page(opened.source, token=filling.page_token, limit=pace.page_items(_PAGE_ITEMS))
        await send(bus, opened.shadow, (renewal(item) for item in items))
        seconds = time.monotonic() - started
        sent = filling.sent + len(items)
        filling = Filling(
            sent=sent,
            total=max(filling.total, sent),
            waiting=min(waiting * _BATCH_ITEMS + len(items), sent),
            page_token=token,
            is_done=not token,
            rate=round((sent - sent_before) / seconds, 2),
        )
        # After they were sent: a repetition sends the last page again, and leaves none out.
        await _remember(migrations, opened.migration, filling)
        on_progress(filling)
        if filling.is_done:
            return filling
        await asyncio.sleep(pace.seconds_ahead(sent=sent - sent_before, seconds=seconds))


async def send(bus: Bus, shadow: CollectionRecord, events: Iterable[VersionedEvent]) -> None:
    """Publishes what makes items anew in a shadow.

    Raises:
        UnavailableError: the bus did not store all.
    """
    messages = reembed_messages(shadow, events, source="orchestrator", max_items=_BATCH_ITEMS)
    if messages:
        await bus.publish_all(messages)


async def _room(bus: Bus, opened: OpenedMigration, pace: Pace, filling: Filling, on_progress: FillingListener) -> int:
    """Waits until more may be sent; the messages that wait then."""
    while True:
        lag = await read_lag(bus, opened.shadow.name)
        if not pace.must_wait(lag):
            return lag.reembed_messages
        waiting = min(lag.reembed_messages * _BATCH_ITEMS, filling.sent)
        on_progress(filling.model_copy(update={"waiting": waiting}))
        await asyncio.sleep(_LOOK_SECONDS)


async def _remember(migrations: Migrations, migration: Migration, filling: Filling) -> None:
    await migrations.change(migration, lambda present: present.model_copy(update={"filling": filling}))
