"""Profiles of reviewers in the database."""

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from sightwire.contracts.reviews import Reviewer
from sightwire.errors import ConflictError, NotFoundError
from sightwire_orchestrator.reviews.tables import reviewers
from sightwire_orchestrator.storage.database import Database


class ReviewerStore:
    """Reviewers by id; changed by compare-and-set on their revision."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, reviewer: Reviewer) -> Reviewer:
        """Stores a profile: a new one (revision 0), or the changes of one that was read; returns it as it is stored.

        Raises:
            ConflictError: there is one of this id already, or it was changed since it was read.
        """
        stored = reviewer.model_copy(update={"revision": reviewer.revision + 1})
        values = {"revision": stored.revision, "document": stored.model_dump_json()}
        unchanged = (reviewers.c.id == reviewer.id) & (reviewers.c.revision == reviewer.revision)
        try:
            async with self._database.session() as connection:
                if reviewer.revision == 0:
                    await connection.execute(reviewers.insert(), {"id": reviewer.id, **values})
                    return stored
                changed = (await connection.execute(reviewers.update().where(unchanged).values(**values))).rowcount
        except IntegrityError as error:
            raise ConflictError(f"there is a reviewer {reviewer.id!r} already; change that one") from error
        if changed != 1:
            raise ConflictError(
                f"reviewer {reviewer.id!r} was changed since revision {reviewer.revision}, or is gone; read it again"
            )
        return stored

    async def find(self, id_: str) -> Reviewer | None:
        """A profile, None if there is none."""
        statement = select(reviewers.c.document).where(reviewers.c.id == id_)
        async with self._database.session(read_only=True) as connection:
            document = (await connection.execute(statement)).scalar_one_or_none()
        return None if document is None else Reviewer.model_validate_json(document)

    async def get(self, id_: str) -> Reviewer:
        """A profile.

        Raises:
            NotFoundError: there is none.
        """
        found = await self.find(id_)
        if found is None:
            raise NotFoundError(f"there is no reviewer {id_!r}")
        return found

    async def all(self) -> list[Reviewer]:
        """Everybody, by id, those who are not asked any longer included."""
        statement = select(reviewers.c.document).order_by(reviewers.c.id)
        async with self._database.session(read_only=True) as connection:
            return [Reviewer.model_validate_json(document) for document in await connection.scalars(statement)]
