"""Carries `switch`, `rollback` and `validate` out for one collection."""

from typing import Any

from sightwire.contracts.operations import Rollback, Switch, Validate
from sightwire.errors import NotFoundError
from sightwire.segments.generations import kept_newest_first
from sightwire.segments.index_writer import IndexWriter
from sightwire_indexer.operations.activation import Activation
from sightwire_indexer.operations.operation import Operation


class Switches:
    """Each method is a CarryOut."""

    def __init__(self, writer: IndexWriter, activation: Activation) -> None:
        self._writer = writer
        self._activation = activation

    async def switch(self, operation: Operation) -> dict[str, Any]:
        """Carries `switch` out; raises as `Activation.run`."""
        command = operation.record.command
        assert isinstance(command, Switch), "the desk hands switches over"
        if command.validate_first:
            return await self._activation.run(
                operation, command.generation, carry_over=command.carry_over, follow_seconds=command.follow_seconds
            )
        return await self._activation.switch(
            operation, command.generation, carry_over=command.carry_over, follow_seconds=command.follow_seconds
        )

    async def rollback(self, operation: Operation) -> dict[str, Any]:
        """Carries `rollback` out; raises as `Activation.switch`, and NotFoundError if nothing was live before."""
        command = operation.record.command
        assert isinstance(command, Rollback), "the desk hands rollbacks over"
        return await self._activation.switch(
            operation,
            command.generation or await self._live_before(operation),
            carry_over=command.carry_over,
            follow_seconds=command.follow_seconds,
        )

    async def validate(self, operation: Operation) -> dict[str, Any]:
        """Carries `validate` out; raises as `Activation.validate`."""
        command = operation.record.command
        assert isinstance(command, Validate), "the desk hands validations over"
        return await self._activation.validate(operation, command.generation, command.gates)

    async def _live_before(self, operation: Operation) -> str:
        """The generation that was live before; an attempt after a crash must not take that one for it."""
        if "generation" in operation.record.memory:
            return str(operation.record.memory["generation"])
        kept = kept_newest_first(await self._writer.generations())
        if not kept:
            raise NotFoundError(
                f"collection {operation.record.collection!r} has no generation that was live before "
                f"{self._writer.manifest.generation!r}; there is nothing to go back to"
            )
        await operation.remember({"generation": kept[0].name})
        return kept[0].name
