"""Where an index stands among those that hold the same items: whether it answers for them, and whether it is alone."""

import asyncio
import math
import time
from collections.abc import Callable

from sightwire.contracts.collections import CollectionRecord


class Standing:
    """Of one index, while it is open; looked up in the directory each time, so that a promotion counts at once.

    Args:
        record: of the index: a collection of users, or a shadow of one.
        find: the present record of a collection, None if there is none.
        clock: seconds, growing steadily.
    """

    def __init__(
        self,
        record: CollectionRecord,
        find: Callable[[str], CollectionRecord | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._record = record
        self._find = find
        self._clock = clock
        self._changed = asyncio.Event()
        self._alone_since = -math.inf if self._is_alone else None

    @property
    def users(self) -> CollectionRecord | None:
        """The users' collection whose items this index holds; None if it was deleted."""
        users = self._find(self._record.users_name)
        if users is None or self._record.shadow_of is not None:
            return users
        # A name that was deleted and created again is another collection.
        return users if users.uid == self._record.uid else None

    @property
    def answered(self) -> CollectionRecord | None:
        """The users' collection that this index answers for now; None if another index does, or it was deleted."""
        users = self.users
        return users if users is not None and users.index_name == self._record.name else None

    @property
    def alone_since(self) -> float | None:
        """Since when, by the clock, no other index holds the items; None while one does."""
        return self._alone_since

    def collections_changed(self) -> None:
        """Some collection's record changed."""
        if not self._is_alone:
            self._alone_since = None
        elif self._alone_since is None:
            self._alone_since = self._clock()
        self._changed.set()
        self._changed = asyncio.Event()

    async def until_answering(self) -> CollectionRecord:
        """The users' collection, once this index answers for it."""
        while (answered := self.answered) is None:
            await self._changed.wait()
        return answered

    async def until_not_answering(self) -> None:
        """Returns once this index does not answer any more."""
        while self.answered is not None:
            await self._changed.wait()

    @property
    def _is_alone(self) -> bool:
        users = self.users
        return users is not None and users.copies == (self._record.name,)
