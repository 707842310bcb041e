"""Starts the restoration of a backup, whose collection may not exist yet."""

import asyncio
from typing import Any, Final

from sightwire.bus.control import ControlClient
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.control import PrepareRestore, StartOperation
from sightwire.contracts.operations import Restore
from sightwire.errors import DeadlineError, UnavailableError
from sightwire_gateway.backups import BackupDesk
from sightwire_gateway.collections import CollectionDesk
from sightwire_gateway.owners import IndexOwners
from sightwire_gateway.users_names import check_users_name, errors_in_users_words

#: An indexer takes a new collection over within a second or so, one whose owner was killed within its lease's time.
_OWNER_SECONDS: Final = 30.0
_ASK_AGAIN_SECONDS: Final = 0.2


class Restoring:
    """Restores into the index that answers for a collection."""

    def __init__(
        self, control: ControlClient, owners: IndexOwners, backups: BackupDesk, collections: CollectionDesk
    ) -> None:
        self._control = control
        self._owners = owners
        self._backups = backups
        self._collections = collections

    async def start(self, command: Restore, *, into: str | None) -> tuple[Any, CollectionRecord]:
        """The operation that restores `command.backup`, as the owner of the index answers with it, and that index.

        Args:
            into: a collection as users name it, which need not exist; None for the one that the backup is of.

        Raises:
            NotFoundError: there is no such backup.
            InvalidInputError: the collection exists, and the backup does not fit it; or its name is not for users.
            ConflictError: another operation of it runs.
            UnavailableError: no indexer runs, or none took the collection over in time.
        """
        if into is None:
            backup = await self._backups.find(command.backup)
            into = backup.collection.users_name if backup is not None else None
        existing = self._collections.find(into) if into is not None else None
        if existing is not None:
            index = self._collections.index_of(existing)
            with errors_in_users_words(index):
                await self._prepare(command, index.name)
        else:
            if into is not None:
                check_users_name(into)
            index = await self._prepare(command, into)
            await self._collections.wait_until_known(index.name)
        return await self._ask_owner(index, StartOperation(command=command)), index

    async def _prepare(self, command: Restore, into: str | None) -> CollectionRecord:
        answer = await self._control.ask_any(PrepareRestore(backup=command.backup, into=into))
        return CollectionRecord.model_validate(answer)

    async def _ask_owner(self, index: CollectionRecord, request: StartOperation) -> Any:
        """The owner's answer; a new index has none at first."""
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + _OWNER_SECONDS
        while True:
            try:
                return await self._owners.ask_index(index, request)
            except DeadlineError:
                # It may have begun: asking again would only be told that it runs.
                raise
            except UnavailableError:
                if loop.time() >= give_up_at:
                    raise
            await asyncio.sleep(_ASK_AGAIN_SECONDS)
