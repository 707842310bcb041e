"""Starts the restoration of a backup, whose collection may not exist yet."""

import asyncio
from typing import Any, Final

from sightwire.bus.control import ControlClient
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.control import PrepareRestore, StartOperation
from sightwire.contracts.operations import Restore
from sightwire.errors import DeadlineError, UnavailableError
from sightwire_gateway.collections import CollectionDesk
from sightwire_gateway.owners import IndexOwners
from sightwire_gateway.users_names import check_users_name

#: An indexer takes a new collection over within a second or so, one whose owner was killed within its lease's time.
_OWNER_SECONDS: Final = 30.0
_ASK_AGAIN_SECONDS: Final = 0.2


class Restoring:
    """Restores into the index that answers for a collection."""

    def __init__(self, control: ControlClient, owners: IndexOwners, collections: CollectionDesk) -> None:
        self._control = control
        self._owners = owners
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
        if into is not None and self._collections.find(into) is None:
            check_users_name(into)
        answer = await self._control.ask_any(PrepareRestore(backup=command.backup, into=into))
        name = CollectionRecord.model_validate(answer).name
        await self._collections.wait_until_known(name)
        index = self._collections.answering(name)
        return await self._ask_owner(index, StartOperation(command=command)), index

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
