"""`sightwire.migrations`: moves of collections to other models."""

from typing import TYPE_CHECKING, Any

from sightwire.client import calls
from sightwire.contracts.migration_control import MigrationList, MigrationReport
from sightwire.contracts.migrations import Migration

if TYPE_CHECKING:
    from sightwire.client.synchronous.client import Sightwire


class Migrations:
    """`sightwire.migrations`. A migration is named by its run; `sightwire.runs` waits for it and cancels it."""

    def __init__(self, sightwire: "Sightwire") -> None:
        self._send = sightwire.send

    def start(self, collection: str, model: str, **parameters: Any) -> MigrationReport:
        """Begin to move a collection to a registered model; `parameters` are those of `MigrationPlan`.

        Example::

            begun = sightwire.migrations.start("photos", "clipart:2", canary_share=0.1, review=True)
            sightwire.runs.wait(begun.run.run)
        """
        return self._send(calls.start_migration(collection, model, **parameters))

    def list(self, *, collection: str | None = None, state: str | None = None, limit: int = 100) -> MigrationList:
        """Migrations, the newest first; only those of a collection, or in a state."""
        return self._send(calls.list_migrations(collection=collection, state=state, limit=limit))

    def get(self, run: str) -> MigrationReport:
        """How a migration stands: its steps, how long the filling takes, what each gate saw."""
        return self._send(calls.get_migration(run))

    def roll_back(self, collection: str, *, run: str | None = None, reason: str = "") -> Migration:
        """Let a collection answer as before its last migration; with `run` only if that was the last one."""
        return self._send(calls.roll_back_migration(collection, run=run, reason=reason))
