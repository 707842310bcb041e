"""What an indexer does under the users' name of a collection, for as long as its index answers for it."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final

from sightwire.bus.connection import Bus
from sightwire.contracts.collections import CollectionRecord
from sightwire.errors import ConflictError
from sightwire_indexer import metrics
from sightwire_indexer.control import IndexControl
from sightwire_indexer.schedules.desk import ScheduleDesk
from sightwire_indexer.standing import Standing
from sightwire_indexer.tasks import run_with_company

logger = logging.getLogger(__name__)

#: Whose index answered before hears of a promotion at about the same time; so long it has to stop.
_HANDOVER_SECONDS: Final = 0.5
#: How long requests that came before may take to be answered.
_FINISH_SECONDS: Final = 5.0


class UsersDesk:
    """Answers requests that name the users' collection, carries its schedules out, tells how old its backups are.

    Call `run` once.

    Args:
        make_schedules: the desk of a collection's schedules, not yet running.
        observe_backups: sets the metrics of the collection's backups.
    """

    def __init__(
        self,
        bus: Bus,
        standing: Standing,
        control: IndexControl,
        make_schedules: Callable[[CollectionRecord], ScheduleDesk],
        observe_backups: Callable[[], Coroutine[Any, Any, None]],
    ) -> None:
        self._bus = bus
        self._standing = standing
        self._control = control
        self._make_schedules = make_schedules
        self._observe_backups = observe_backups

    async def run(self) -> None:
        """Works whenever its index answers, until cancelled.

        Raises:
            ConflictError: another indexer owns the index.
        """
        collection = self._standing.answered
        while True:
            if collection is not None:
                await self._serve(collection)
            await self._standing.until_answering()
            await asyncio.sleep(_HANDOVER_SECONDS)
            collection = self._standing.answered

    async def _serve(self, collection: CollectionRecord) -> None:
        schedules = self._make_schedules(collection)
        responder = self._control.responder(self._bus, collection.name, schedules)
        try:
            async with responder.answering():
                await run_with_company(self._standing.until_not_answering(), schedules.run(), self._observe_backups())
                await responder.finish(seconds=_FINISH_SECONDS)
        except ConflictError as error:
            if self._standing.alone_since is not None:
                raise
            # Not a sign of a lost lease here: the schedules changed hands just now.
            logger.warning("schedules are read again", extra={"collection": collection.name, "error": error.detail})
        finally:
            metrics.forget_backups(collection.name)
