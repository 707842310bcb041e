"""Stores turns of runs for one term of the orchestrator, whatever the database does meanwhile."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from sightwire.errors import ConflictError, UnavailableError
from sightwire_orchestrator.execution.patience import RETRY_SECONDS
from sightwire_orchestrator.runs.state import Run
from sightwire_orchestrator.storage.fencing import FencedError
from sightwire_orchestrator.storage.run_changes import Happening
from sightwire_orchestrator.storage.run_store import RunStore

logger = logging.getLogger(__name__)


class Journal:
    """Writes runs as the orchestrator of an epoch."""

    def __init__(self, runs: RunStore, epoch: int) -> None:
        self._runs = runs
        self._epoch = epoch

    async def create(self, run: Run) -> None:
        """Stores a new run; waits for a database that is away.

        Raises:
            FencedError: another orchestrator has taken over.
            ConflictError: a run of this id exists.
        """
        await self._write(run, lambda: self._runs.create(run, epoch=self._epoch))

    async def store(self, run: Run, happenings: tuple[Happening, ...]) -> None:
        """Stores a run and what happened to it; waits for a database that is away.

        Raises:
            FencedError: another orchestrator has taken over.
            InvalidInputError: the database refuses it.
        """
        await self._write(run, lambda: self._runs.append(run, happenings, epoch=self._epoch))

    async def _write(self, run: Run, write: Callable[[], Awaitable[None]]) -> None:
        is_again = False
        while True:
            try:
                await write()
            except UnavailableError as error:
                logger.warning("a run cannot be stored now", extra={"run": run.id, "error": str(error)})
                is_again = True
                await asyncio.sleep(RETRY_SECONDS)
            except FencedError:
                raise
            except ConflictError:
                # Nobody else writes in this epoch: what is there came by the attempt whose outcome is not known.
                stored = await self._runs.get(run.id)
                if is_again and (stored.sequence, stored.started_at) == (run.sequence, run.started_at):
                    return
                raise
            else:
                return
