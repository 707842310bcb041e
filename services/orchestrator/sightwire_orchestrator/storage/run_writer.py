"""Writes changes of runs: those that come while a transaction is on its way go together in the next one."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, bindparam, select
from sqlalchemy.exc import DBAPIError

from sightwire.errors import InvalidInputError, SightwireError
from sightwire_orchestrator.storage.database import Database
from sightwire_orchestrator.storage.fencing import active_epoch
from sightwire_orchestrator.storage.run_changes import RunChange, reasons_against
from sightwire_orchestrator.storage.tables import run_events, runs

#: A bound on how long the first of a group waits for the rest.
_MOST_TOGETHER: Final = 256

_Waiting = tuple[RunChange, asyncio.Future[None]]


class RunWriter:
    """Stores changes of runs, in the order in which they come.

    A commit waits for the disk; what it costs does not depend on how much is in it. So a lone change is stored at once,
    and under load each transaction takes everything that came during the one before.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[_Waiting] = []
        self._writing: asyncio.Task[None] | None = None

    async def write(self, change: RunChange) -> None:
        """Stores a change; when this returns, it is on the disk.

        Raises:
            FencedError: another orchestrator has taken over.
            ConflictError: the run has other events than the change says, or exists already.
            NotFoundError: there is no such run.
            InvalidInputError: the database refuses the row; its pipeline is not stored, or a text is too long.
            UnavailableError: the database does not answer. The change may have been stored: load the run.
        """
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((change, stored))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all(), name="write runs")
        await stored

    async def drain(self) -> None:
        """Returns when nothing waits to be written."""
        while self._writing is not None:
            await asyncio.wait([self._writing])

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting[:_MOST_TOGETHER], self._waiting[_MOST_TOGETHER:]
                await self._write_group(group)
        finally:
            self._writing = None

    async def _write_group(self, group: list[_Waiting]) -> None:
        changes = [change for change, _ in group]
        outcomes: Sequence[Exception | None]
        try:
            outcomes = await self._database.transact(partial(_store, changes=changes))
        except SightwireError as error:
            outcomes = [error] * len(group)
        except Exception as error:  # whatever it is, callers wait for it
            if len(group) > 1:
                # One of them is refused, and the rest must not suffer.
                for waiting in group:
                    await self._write_group([waiting])
                return
            outcomes = [_refusal(changes[0], error)]
        for (_, stored), outcome in zip(group, outcomes, strict=True):
            _tell(stored, outcome)


def _store(connection: Connection, changes: Sequence[RunChange]) -> list[SightwireError | None]:
    """Stores those of the changes that may be; for each of the others why not."""
    epoch = active_epoch(connection)
    ids = sorted({change.run.id for change in changes})
    present = connection.execute(select(runs.c.id, runs.c.sequence).where(runs.c.id.in_(ids)))
    reasons = reasons_against(changes, {row.id: row.sequence for row in present}, epoch)
    accepted = [change for change, reason in zip(changes, reasons, strict=True) if reason is None]
    new_ids = {change.run.id for change in accepted if change.is_new}
    # Of several states of a run in one transaction nobody sees but the last.
    last = {change.run.id: change for change in accepted}
    new_rows = [_run_values(change) for id_, change in last.items() if id_ in new_ids]
    changed_rows = [_run_values(change) for id_, change in last.items() if id_ not in new_ids]
    _execute_many(connection, _INSERT_RUN, new_rows)
    _execute_many(connection, _UPDATE_RUN, changed_rows)
    _execute_many(connection, _INSERT_EVENT, [values for change in accepted for values in _event_values(change)])
    return reasons


_INSERT_RUN: Final = runs.insert().values({column.name: bindparam(f"new_{column.name}") for column in runs.c})
_UPDATE_RUN: Final = (
    runs.update()
    .where(runs.c.id == bindparam("new_id"))
    .values({name: bindparam(f"new_{name}") for name in ("sequence", "state", "updated_at", "ended_at", "document")})
)
_INSERT_EVENT: Final = run_events.insert()


def _execute_many(connection: Connection, statement: Any, rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(statement, rows)


def _run_values(change: RunChange) -> dict[str, Any]:
    run = change.run
    return {
        "new_id": run.id,
        "new_pipeline": run.pipeline,
        "new_version": run.version,
        "new_sequence": run.sequence,
        "new_state": run.state.value,
        "new_started_at": run.started_at,
        "new_updated_at": change.happenings[-1].at if change.happenings else run.started_at,
        "new_ended_at": run.ended_at,
        "new_document": run.model_dump_json(),
    }


def _event_values(change: RunChange) -> list[dict[str, Any]]:
    return [
        {
            "run": change.run.id,
            "sequence": sequence,
            "kind": happening.event.kind,
            "at": happening.at,
            "document": happening.event.model_dump_json(),
        }
        for sequence, happening in enumerate(change.happenings, start=change.sequence_before + 1)
    ]


def _refusal(change: RunChange, error: Exception) -> Exception:
    if isinstance(error, DBAPIError):
        return InvalidInputError(f"run {change.run.id!r} cannot be stored: {error.orig}")
    return error


def _tell(stored: asyncio.Future[None], outcome: Exception | None) -> None:
    if stored.done():
        return  # its caller was cancelled meanwhile
    if outcome is None:
        stored.set_result(None)
    else:
        stored.set_exception(outcome)
