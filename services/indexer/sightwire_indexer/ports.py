"""What a collection's indexer needs of the world; the bus is behind it in the service, plain objects are in tests."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sightwire.contracts.events import IndexReady, ItemStatus
from sightwire.segments.manifest import Checkpoint
from sightwire_indexer.log_reader import LogMessage


class Log(Protocol):
    """A collection's messages in order."""

    @property
    def position(self) -> Checkpoint:
        """Up to here every message was returned by `fetch`."""

    async def fetch(self) -> list[LogMessage]:
        """The next messages; empty when none came for a while."""


class Outlet(Protocol):
    """Where a collection's indexer tells what happened. Each method returns when the bus has it."""

    async def announce_ready(self, event: IndexReady) -> None:
        """Tells everybody that a manifest can be loaded."""

    async def send_statuses(self, statuses: Sequence[ItemStatus]) -> None:
        """Writes item statuses."""

    async def bury(self, message: LogMessage, payload: bytes, reason: str) -> None:
        """Puts `payload`, what is unusable of a message, into the dead-letter queue."""


@dataclass(frozen=True, slots=True)
class HousekeepingLimits:
    """What garbage collection keeps, and how often it and idle checkpoints happen; times in seconds."""

    keep_manifests: int
    retention_seconds: float
    interval_seconds: float
    idle_checkpoint_seconds: float
    #: Newest generations that were live and that one can go back to.
    keep_generations: int
