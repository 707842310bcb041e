"""Starts the restoration of a backup, whose collection may not exist yet."""

import asyncio
from typing import Any, Final

from sightwire.bus.control import ControlClient
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.control import PrepareRestore, StartOperation
from sightwire.contracts.names import CollectionName
from sightwire.contracts.operations import Restore
from sightwire.errors import DeadlineError, UnavailableError
from sightwire_gateway.collections import CollectionDesk

#: An indexer takes a new collection over within a second or so, one whose owner was killed within its lease's time.
_OWNER_SECONDS: Final = 30.0
_ASK_AGAIN_SECONDS: Final = 0.2


async def start_restore(
    control: ControlClient, collections: CollectionDesk, command: Restore, *, into: CollectionName | None
) -> Any:
    """The operation that restores `command.backup`, as the owner of its collection answers with it.

    Raises:
        NotFoundError: there is no such backup.
        ConflictError: the collection exists and is another one, or another operation of it runs.
        UnavailableError: no indexer runs, or none took the collection over in time.
    """
    answer = await control.ask_any(PrepareRestore(backup=command.backup, into=into))
    name = CollectionRecord.model_validate(answer).name
    await collections.wait_until_known(name)
    return await _ask_new_owner(control, name, StartOperation(command=command))


async def _ask_new_owner(control: ControlClient, collection: str, request: StartOperation) -> Any:
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + _OWNER_SECONDS
    while True:
        try:
            return await control.ask_owner(collection, request)
        except DeadlineError:
            # It may have begun: asking again would only be told that it runs.
            raise
        except UnavailableError:
            if loop.time() >= give_up_at:
                raise
        await asyncio.sleep(_ASK_AGAIN_SECONDS)
