"""A running operation, as seen by what carries it out."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from sightwire.contracts.operations import OperationRecord, Progress


class Operation(Protocol):
    """One attempt at one operation. Whoever cancels it cancels the task that carries it out."""

    @property
    def record(self) -> OperationRecord:
        """What was asked for, and what an earlier attempt remembered."""

    async def report(self, progress: Progress) -> None:
        """Tells how far it is. May be called often: the bus hears of it a few times a second at most."""

    async def remember(self, memory: Mapping[str, Any]) -> None:
        """Stores what an attempt after a crash needs to go on from here; durable when it returns."""


#: Carries a command out and returns the operation's result; raises what failed.
CarryOut = Callable[[Operation], Awaitable[dict[str, Any]]]
