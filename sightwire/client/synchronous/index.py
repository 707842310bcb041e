"""`sightwire.index`: what an index takes, its generations, and operations on it."""

from typing import TYPE_CHECKING, Any

from sightwire.client import calls
from sightwire.contracts.control import GenerationList
from sightwire.contracts.operations import OperationRecord
from sightwire.contracts.statistics import IndexStatistics
from sightwire.contracts.validation import ValidationReport

if TYPE_CHECKING:
    from sightwire.client.synchronous.client import Sightwire


class Index:
    """`sightwire.index`. What takes long is an operation, which the answer describes as it begins.

    Example::

        operation = sightwire.index.rebuild("papers", index={"type": "hnsw_sq"})
        operation = sightwire.operations.wait("papers", operation.id)
        print(operation.state, operation.result)
    """

    def __init__(self, sightwire: "Sightwire") -> None:
        self._send = sightwire.send

    def stats(self, collection: str) -> IndexStatistics:
        """What the live generation takes, as the searcher that answers has it loaded."""
        return self._send(calls.index_statistics(collection))

    def generations(self, collection: str) -> GenerationList:
        """The generations that are kept, and which one is live."""
        return self._send(calls.list_generations(collection))

    def forget(self, collection: str, generation: str) -> GenerationList:
        """Forget a generation that is not live; those that are left."""
        return self._send(calls.forget_generation(collection, generation))

    def report(self, collection: str, generation: str) -> ValidationReport:
        """What the gates saw of a generation, the last time that it came to them."""
        return self._send(calls.read_report(collection, generation))

    def rebuild(self, collection: str, **options: Any) -> OperationRecord:
        """Build a new generation from stored vectors; `options` are those of `Rebuild` (index, activate, gates, …)."""
        return self._start(collection, "rebuild", options)

    def validate(self, collection: str, generation: str | None = None, **options: Any) -> OperationRecord:
        """Put a generation, or the live one, through the gates; `options` are those of `Validate`."""
        return self._start(collection, "validate", {"generation": generation, **options})

    def switch(self, collection: str, generation: str, **options: Any) -> OperationRecord:
        """Make a generation live; `options` are those of `Switch`."""
        return self._start(collection, "switch", {"generation": generation, **options})

    def rollback(self, collection: str, generation: str | None = None, **options: Any) -> OperationRecord:
        """Make a kept generation, or the one before, live again at once; `options` are those of `Rollback`."""
        return self._start(collection, "rollback", {"generation": generation, **options})

    def scan(self, collection: str) -> OperationRecord:
        """Read every file of every segment and compare checksums."""
        return self._start(collection, "scan", {})

    def _start(self, collection: str, kind: str, options: dict[str, Any]) -> OperationRecord:
        return self._send(calls.start_operation(collection, {"kind": kind, **options}))
