"""`sightwire.index`: what an index takes, its generations, and operations on it."""

from typing import TYPE_CHECKING, Any

from sightwire.client import calls
from sightwire.contracts.control import GenerationList
from sightwire.contracts.operations import OperationRecord
from sightwire.contracts.statistics import IndexStatistics
from sightwire.contracts.validation import ValidationReport

if TYPE_CHECKING:
    from sightwire.client.asynchronous.client import AsyncSightwire


class Index:
    """`sightwire.index`. What takes long is an operation, which the answer describes as it begins.

    Example::

        operation = await sightwire.index.rebuild("papers", index={"type": "hnsw_sq"})
        operation = await sightwire.operations.wait("papers", operation.id)
        print(operation.state, operation.result)
    """

    def __init__(self, sightwire: "AsyncSightwire") -> None:
        self._send = sightwire.send

    async def stats(self, collection: str) -> IndexStatistics:
        """What the live generation takes, as the searcher that answers has it loaded."""
        return await self._send(calls.index_statistics(collection))

    async def generations(self, collection: str) -> GenerationList:
        """The generations that are kept, and which one is live."""
        return await self._send(calls.list_generations(collection))

    async def forget(self, collection: str, generation: str) -> GenerationList:
        """Forget a generation that is not live; those that are left."""
        return await self._send(calls.forget_generation(collection, generation))

    async def report(self, collection: str, generation: str) -> ValidationReport:
        """What the gates saw of a generation, the last time that it came to them."""
        return await self._send(calls.read_report(collection, generation))

    async def rebuild(self, collection: str, **options: Any) -> OperationRecord:
        """Build a new generation from stored vectors; `options` are those of `Rebuild` (index, activate, gates, …)."""
        return await self._start(collection, "rebuild", options)

    async def validate(self, collection: str, generation: str | None = None, **options: Any) -> OperationRecord:
        """Put a generation, or the live one, through the gates; `options` are those of `Validate`."""
        return await self._start(collection, "validate", {"generation": generation, **options})

    async def switch(self, collection: str, generation: str, **options: Any) -> OperationRecord:
        """Make a generation live; `options` are those of `Switch`."""
        return await self._start(collection, "switch", {"generation": generation, **options})

    async def rollback(self, collection: str, generation: str | None = None, **options: Any) -> OperationRecord:
        """Make a kept generation, or the one before, live again at once; `options` are those of `Rollback`."""
        return await self._start(collection, "rollback", {"generation": generation, **options})

    async def scan(self, collection: str) -> OperationRecord:
        """Read every file of every segment and compare checksums."""
        return await self._start(collection, "scan", {})

    async def _start(self, collection: str, kind: str, options: dict[str, Any]) -> OperationRecord:
        return await self._send(calls.start_operation(collection, {"kind": kind, **options}))
