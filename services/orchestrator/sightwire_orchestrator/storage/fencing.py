"""Which orchestrator may write runs: the one that claimed the database last."""

from datetime import UTC, datetime
from typing import ClassVar

from sqlalchemy import Connection, select

from sightwire.errors import ConflictError
from sightwire_orchestrator.storage.database import Database
from sightwire_orchestrator.storage.tables import active_orchestrator


class FencedError(ConflictError):
    """Another orchestrator has taken over since; nothing that this one decides counts any more."""

    code: ClassVar[str] = "fenced"


async def claim(database: Database, owner: str) -> int:
    """Makes `owner` the active orchestrator and returns its epoch, which its writes carry from now on.

    The epoch is a counter of the database's own, not the revision of a lease: revisions begin anew when the bus loses
    its data. Claim after taking the lease, and give up if the lease turns out to be lost after the claim; who is fenced
    while it still holds the lease claims again and loads its runs anew.
    """
    statement = (
        active_orchestrator.update()
        .values(epoch=active_orchestrator.c.epoch + 1, owner=owner, claimed_at=datetime.now(UTC))
        .returning(active_orchestrator.c.epoch)
    )
    async with database.session() as connection:
        epoch: int = (await connection.execute(statement)).scalar_one()
    return epoch


def active_epoch(connection: Connection) -> int:
    """The epoch that may write; no other claims the database before the end of the transaction. 0: none did yet."""
    # Shared, so that transactions of one orchestrator do not wait for each other.
    statement = select(active_orchestrator.c.epoch).with_for_update(read=True)
    epoch: int = connection.execute(statement).scalar_one()
    return epoch
