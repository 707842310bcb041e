"""What was read from the log and waits for the next commit, bounded in items and bytes."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from sightwire.segments.resolution import Change
from sightwire_indexer.item_spans import ItemSpan


@dataclass(frozen=True, slots=True)
class PendingMessage:
    """A message of the log whose items wait. `sequence` is its place in the stream, `size` its bytes."""

    sequence: int
    size: int
    changes: Sequence[Change] = ()
    spans: Sequence[ItemSpan] = ()
    #: Ids whose changes the manifest contains already, but whose status may not be written.
    committed_ids: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class BufferLimits:
    """When a buffer is full, and how long items wait at most while nothing else is being committed."""

    max_items: int
    max_bytes: int
    commit_seconds: float


class CommitBuffer:
    """Messages in the order of the log, so that what is taken is always a contiguous piece of it."""

    def __init__(self, limits: BufferLimits) -> None:
        #: May be replaced; what waits already stays.
        self.limits = limits
        self._messages: list[PendingMessage] = []
        self._items = 0
        self._bytes = 0
        self._closed = False
        self._changed = asyncio.Condition()

    @property
    def items(self) -> int:
        """Items that wait."""
        return self._items

    @property
    def is_full(self) -> bool:
        return self._items >= self.limits.max_items or self._bytes >= self.limits.max_bytes

    async def add(self, message: PendingMessage) -> None:
        """Appends a message. It may exceed the limits: `wait_for_room` keeps the next one back."""
        assert not self._messages or message.sequence > self._messages[-1].sequence, "the log is read in order"
        async with self._changed:
            self._messages.append(message)
            self._items += len(message.changes) + len(message.committed_ids)
            self._bytes += message.size
            self._changed.notify_all()

    async def wait_for_room(self) -> None:
        """Returns once the buffer is not full."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self.is_full)

    async def close(self) -> None:
        """Nothing will be added any more: what waits is due at once."""
        async with self._changed:
            self._closed = True
            self._changed.notify_all()

    async def take(self, last_commit: float) -> list[PendingMessage]:
        """All messages, as soon as a commit is due; an empty list when the buffer is closed and empty.

        Args:
            last_commit: when the last commit began, on the event loop's clock.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: self._messages or self._closed)
            remaining = last_commit + self.limits.commit_seconds - asyncio.get_running_loop().time()
            if remaining > 0:
                try:
                    async with asyncio.timeout(remaining):
                        await self._changed.wait_for(lambda: self.is_full or self._closed)
                except TimeoutError:
                    pass  # The time since the last commit is what was waited for.
            messages = self._messages
            self._messages = []
            self._items = 0
            self._bytes = 0
            self._changed.notify_all()
            return messages
