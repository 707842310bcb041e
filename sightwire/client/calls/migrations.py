"""Moves of collections to other models."""

from typing import Any

from sightwire.client.calls.request import Call, json_reader, path_segment, plain_body, without_none
from sightwire.contracts.migration_control import MigrationList, MigrationReport
from sightwire.contracts.migrations import Migration


def start_migration(collection: str, model: str, **parameters: Any) -> Call[MigrationReport]:
    body = plain_body(without_none(collection=collection, model=model, **parameters))
    # Twice, the second one is refused: that would hide that the first one has begun.
    return Call("POST", _MIGRATIONS, json_reader(MigrationReport.model_validate), body=body, repeatable=False)


def list_migrations(*, collection: str | None, state: str | None, limit: int) -> Call[MigrationList]:
    params = without_none(collection=collection, state=state, limit=str(limit))
    return Call("GET", _MIGRATIONS, json_reader(MigrationList.model_validate), params)


def get_migration(run: str) -> Call[MigrationReport]:
    return Call("GET", f"{_MIGRATIONS}/{path_segment(run)}", json_reader(MigrationReport.model_validate))


def roll_back_migration(collection: str, *, run: str | None, reason: str) -> Call[Migration]:
    return Call(
        "POST",
        f"/v1/collections/{path_segment(collection)}/rollback",
        json_reader(Migration.model_validate),
        body=without_none(run=run, reason=reason),
        # Without a run, twice goes back from the migration before that one, too.
        repeatable=run is not None,
    )


_MIGRATIONS = "/v1/migrations"
