"""Moves of collections to other models: the `migrations` bucket."""

from collections.abc import Callable
from typing import Final

from nats.errors import Error as NatsError
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError

from sightwire.bus.connection import Bus
from sightwire.bus.watching import read_bucket
from sightwire.contracts import subjects
from sightwire.contracts.migrations import Migration
from sightwire.contracts.streams import MIGRATIONS
from sightwire.errors import ConflictError, NotFoundError, UnavailableError

#: Losses against other writers after which something writes a record over and over.
_CHANGE_ATTEMPTS: Final = 20


class Migrations:
    """Writes and reads migrations; each change is a compare-and-set."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def create(self, migration: Migration) -> Migration:
        """Stores a new migration; the one that is there already under its key stays, and is returned.

        Raises:
            UnavailableError: the bus did not confirm it.
        """
        key = subjects.migration_key(migration.collection, migration.shadow)
        try:
            bucket = await self._bus.bucket(MIGRATIONS)
            await bucket.create(key, migration.model_dump_json().encode())
        except KeyWrongLastSequenceError:
            return await self.get(migration.collection, migration.shadow)
        except (NatsError, TimeoutError) as error:
            raise UnavailableError(f"the bus did not store migration {key!r}: {error!r}; try again") from error
        return migration

    async def get(self, collection: str, shadow: str) -> Migration:
        """The migration by which a shadow came to be.

        Raises:
            NotFoundError: there is none.
            UnavailableError: the bus does not answer.
        """
        migration, _ = await self._read(collection, shadow)
        return migration

    async def change(self, migration: Migration, change: Callable[[Migration], Migration]) -> Migration:
        """Changes a migration by compare-and-set, and returns it as it is then.

        Args:
            migration: as it was read; which one it is matters alone.
            change: makes the new value of the present one; called again when another writer was faster. Returning what
                it got writes nothing.

        Raises:
            NotFoundError: it is gone.
            ConflictError: other writers were faster again and again.
            UnavailableError: the bus does not answer; whether the change was stored is then unknown.
        """
        key = subjects.migration_key(migration.collection, migration.shadow)
        bucket = await self._bus.bucket(MIGRATIONS)
        for _ in range(_CHANGE_ATTEMPTS):
            present, revision = await self._read(migration.collection, migration.shadow)
            changed = change(present)
            if changed == present:
                return present
            try:
                await bucket.update(key, changed.model_dump_json().encode(), last=revision)
            except KeyWrongLastSequenceError:
                continue
            except (NatsError, TimeoutError) as error:
                raise UnavailableError(f"the bus did not change migration {key!r}: {error!r}; try again") from error
            return changed
        raise ConflictError(f"migration {key!r} was changed by others {_CHANGE_ATTEMPTS} times meanwhile; try again")

    async def all(self, collection: str | None = None) -> list[Migration]:
        """Migrations, of one collection or of all, the newest first.

        Raises:
            UnavailableError: the bus does not answer.
        """
        entries = await read_bucket(self._bus, MIGRATIONS, ">" if collection is None else f"{collection}.*")
        found = [Migration.model_validate_json(entry.value or b"") for entry in entries]
        return sorted(found, key=lambda migration: migration.started_at, reverse=True)

    async def forget(self, migration: Migration) -> None:
        """Removes a migration; one that is not there is none.

        Raises:
            UnavailableError: the bus did not confirm it.
        """
        key = subjects.migration_key(migration.collection, migration.shadow)
        try:
            await (await self._bus.bucket(MIGRATIONS)).delete(key)
        except (NatsError, TimeoutError) as error:
            raise UnavailableError(f"the bus did not remove migration {key!r}: {error!r}; try again") from error

    async def _read(self, collection: str, shadow: str) -> tuple[Migration, int]:
        key = subjects.migration_key(collection, shadow)
        try:
            entry = await (await self._bus.bucket(MIGRATIONS)).get(key)
        except KeyNotFoundError:
            raise NotFoundError(f"there is no migration of {collection!r} with the shadow {shadow!r}") from None
        except (NatsError, TimeoutError) as error:
            raise UnavailableError(f"the bus does not tell migration {key!r}: {error!r}; try again") from error
        return Migration.model_validate_json(entry.value or b""), entry.revision or 0
