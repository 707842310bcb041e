"""`sightwire.operations`: long work on an index, from its start to its end."""

import asyncio
import time as clock
from collections.abc import AsyncIterator, Callable, Mapping
from typing import TYPE_CHECKING, Any

from sightwire.client import calls
from sightwire.client.calls import EventReader
from sightwire.client.patience import PollPatience
from sightwire.client.problems import ApiError, ConnectionFailedError
from sightwire.contracts.operations import Command, OperationRecord

if TYPE_CHECKING:
    from sightwire.client.asynchronous.client import AsyncSightwire


class Operations:
    """`sightwire.operations`."""

    def __init__(self, sightwire: "AsyncSightwire") -> None:
        self._sightwire = sightwire
        self._send = sightwire.send

    async def start(self, collection: str, command: Command | Mapping[str, Any]) -> OperationRecord:
        """Begin an operation; refused while another one of the collection runs.

        Example::

            await sightwire.operations.start("papers", {"kind": "backup"})
        """
        return await self._send(calls.start_operation(collection, command))

    async def list(
        self, collection: str, *, kind: str | None = None, state: str | None = None, limit: int = 100
    ) -> list[OperationRecord]:
        """Operations of a collection, newest first."""
        return await self._send(calls.list_operations(collection, kind=kind, state=state, limit=limit))

    async def get(self, collection: str, operation: str) -> OperationRecord:
        """How an operation stands."""
        return await self._send(calls.get_operation(collection, operation))

    async def cancel(self, collection: str, operation: str) -> OperationRecord:
        """End an operation; the record once it has ended."""
        return await self._send(calls.cancel_operation(collection, operation))

    def watch(self, collection: str, operation: str) -> AsyncIterator[OperationRecord]:
        """The operation as it stands, and each change of it, until it has ended."""
        path = calls.operation_events_path(collection, operation)
        return self._sightwire.events(path, EventReader("operation", OperationRecord))

    async def wait(
        self,
        collection: str,
        operation: str,
        *,
        timeout: float | None = None,  # noqa: ASYNC109
        on_change: Callable[[OperationRecord], None] | None = None,
    ) -> OperationRecord:
        """The operation once it has ended, however that is; `on_change` sees it each time that it has moved on.

        Raises ConnectionFailedError when it has not ended within `timeout` seconds. A platform that does not answer for
        a while, as it restarts, is asked again.
        """
        patience = PollPatience(clock.monotonic, timeout)
        last: OperationRecord | None = None
        while True:
            try:
                record = await self.get(collection, operation)
            except (ApiError, ConnectionFailedError) as error:
                if not patience.forgives(error):
                    raise
            else:
                patience.note_answer()
                if on_change is not None and record != last:
                    on_change(record)
                if record.state.is_final:
                    return record
                last = record
            await asyncio.sleep(patience.delay(f"operation {operation!r} of {collection!r}"))
