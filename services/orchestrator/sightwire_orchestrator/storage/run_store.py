"""Runs of pipelines in the database: stored with everything that happened to them, found again."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from sqlalchemy import func, select

from sightwire.errors import NotFoundError
from sightwire_orchestrator.runs.events import EVENTS
from sightwire_orchestrator.runs.state import Run
from sightwire_orchestrator.storage import fencing
from sightwire_orchestrator.storage.database import Database
from sightwire_orchestrator.storage.run_changes import Happening, RunChange
from sightwire_orchestrator.storage.run_pages import RunFilter, RunPage, page_of, page_statement
from sightwire_orchestrator.storage.run_writer import RunWriter
from sightwire_orchestrator.storage.tables import run_events, runs

_CRASH_SPAN: Final = timedelta(minutes=1)


class RunStore:
    """Runs and their events.

    Writes carry the epoch of the orchestrator that makes them (`claim`); those of one that another has taken over from
    are refused. Definitions are stored first (`PipelineStore`).
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._writer = RunWriter(database)

    async def claim(self, owner: str) -> int:
        """Makes `owner` the only orchestrator that may write, and returns its epoch; see `fencing.claim`."""
        return await fencing.claim(self._database, owner)

    async def create(self, run: Run, *, epoch: int) -> None:
        """Stores a run to which nothing has happened yet.

        Raises:
            FencedError: another orchestrator has taken over.
            ConflictError: a run of this id exists.
            InvalidInputError: its pipeline is not stored.
            UnavailableError: the database does not answer. The run may have been stored.
        """
        assert run.sequence == 0, f"run {run.id} is not new: it has {run.sequence} events"
        await self._writer.write(RunChange(run, (), epoch))

    async def append(self, run: Run, happenings: Iterable[Happening], *, epoch: int) -> None:
        """Stores what happened to a run and how it stands after that, both or neither.

        When this returns, they are on the disk. Many at once, of one run or of several, share a transaction; those of
        one run are stored in the order of the calls.

        Args:
            run: after the happenings.
            happenings: in order; at least one.
            epoch: of the orchestrator that writes.

        Raises:
            FencedError: another orchestrator has taken over.
            ConflictError: other events were stored meanwhile.
            NotFoundError: there is no such run.
            UnavailableError: the database does not answer. They may have been stored: load the run.
        """
        change = RunChange(run, tuple(happenings), epoch)
        assert change.happenings, f"nothing happened to run {run.id}"
        await self._writer.write(change)

    async def drain(self) -> None:
        """Returns when nothing waits to be stored."""
        await self._writer.drain()

    async def unfinished(self) -> list[Run]:
        """All runs that have not ended, the oldest first: what a starting orchestrator goes on with."""
        statement = select(runs.c.document).where(runs.c.ended_at.is_(None)).order_by(runs.c.started_at, runs.c.id)
        async with self._database.session(read_only=True) as connection:
            return [Run.model_validate_json(document) for document in await connection.scalars(statement)]

    async def last_ended(self) -> list[Run]:
        """Runs that ended within a minute of the last change of any: what a crash may have come upon."""
        last = select(func.max(runs.c.updated_at))
        async with self._database.session(read_only=True) as connection:
            changed_at = (await connection.execute(last)).scalar_one()
            if changed_at is None:
                return []
            statement = select(runs.c.document).where(runs.c.ended_at >= changed_at - _CRASH_SPAN)
            return [Run.model_validate_json(document) for document in await connection.scalars(statement)]

    async def get(self, run: str) -> Run:
        """A run as it stands.

        Raises:
            NotFoundError: there is none.
        """
        statement = select(runs.c.document).where(runs.c.id == run)
        async with self._database.session(read_only=True) as connection:
            document = (await connection.execute(statement)).scalar_one_or_none()
        if document is None:
            raise NotFoundError(f"there is no run {run!r}")
        return Run.model_validate_json(document)

    async def events(self, run: str, *, after: int = 0, limit: int | None = None) -> list[Happening]:
        """What happened to a run, in order, from event `after` + 1 on; empty when there is no such run."""
        statement = (
            select(run_events.c.document, run_events.c.at)
            .where(run_events.c.run == run, run_events.c.sequence > after)
            .order_by(run_events.c.sequence)
            .limit(limit)
        )
        async with self._database.session(read_only=True) as connection:
            rows = await connection.execute(statement)
            return [Happening(EVENTS.validate_json(row.document), row.at) for row in rows]

    async def list(self, filter: RunFilter, *, limit: int = 50, cursor: str | None = None) -> RunPage:
        """A page of runs, the newest first.

        Args:
            filter: which ones.
            limit: at most so many.
            cursor: of the page before.

        Raises:
            InvalidInputError: the cursor is none that a page had.
        """
        async with self._database.session(read_only=True) as connection:
            return page_of((await connection.execute(page_statement(filter, limit, cursor))).all(), limit)
