"""What the memory level asks of an eviction policy."""

from typing import Protocol


class EvictionPolicy(Protocol):
    """Follows the entries of one memory level and chooses which goes next.

    The level calls `evict` until there is room, and then `added`, so that a newcomer is never the one to go.
    """

    def added(self, key: str, size: int, expires_at: float) -> None:
        """An entry that was not there came in; `size` in bytes, `expires_at` on the level's clock."""

    def used(self, key: str) -> None:
        """An entry that is there was asked for and found."""

    def removed(self, key: str) -> None:
        """An entry was deleted, replaced or had expired; the policy forgets it."""

    def evict(self, incoming: str) -> str:
        """Chooses the entry that goes so that `incoming` may come, and takes it as gone. There is at least one."""
