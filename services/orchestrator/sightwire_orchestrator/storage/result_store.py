"""Results of tasks by idempotency key: whatever is done again with the same key has the result of the first time."""

import hashlib
from datetime import UTC, datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sightwire.contracts.pipelines import TaskResult
from sightwire_orchestrator.storage.database import Database
from sightwire_orchestrator.storage.inserting import insert_unless_present
from sightwire_orchestrator.storage.tables import idempotent_results


class IdempotentResults:
    """Successful results by scope and key.

    A scope is whatever a key is unique in, such as pipeline and task. Keys may be of any length.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, scope: str, key: str) -> TaskResult | None:
        """The stored result, None if there is none."""
        async with self._database.session(read_only=True) as connection:
            return await _stored(connection, scope, _digest(key))

    async def put(self, scope: str, key: str, result: TaskResult) -> TaskResult:
        """Stores a result unless there is one, and returns the one that is stored then."""
        digest = _digest(key)
        row = {
            "scope": scope,
            "key_sha256": digest,
            "document": result.model_dump_json(),
            "stored_at": datetime.now(UTC),
        }
        async with self._database.session() as connection:
            if await insert_unless_present(connection, idempotent_results, row):
                return result
            first = await _stored(connection, scope, digest)
        # None: deleted in between.
        return result if first is None else first

    async def delete_before(self, moment: datetime) -> int:
        """Forgets what was stored before `moment`; returns how many results that were."""
        statement = delete(idempotent_results).where(idempotent_results.c.stored_at < moment)
        async with self._database.session() as connection:
            return (await connection.execute(statement)).rowcount


async def _stored(connection: AsyncConnection, scope: str, digest: str) -> TaskResult | None:
    statement = select(idempotent_results.c.document).where(
        idempotent_results.c.scope == scope, idempotent_results.c.key_sha256 == digest
    )
    document = (await connection.execute(statement)).scalar_one_or_none()
    return None if document is None else TaskResult.model_validate_json(document)


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
