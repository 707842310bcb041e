"""How many tasks a worker may carry out at once."""

import asyncio


class Room:
    """A number of places, for which those who want one compete.

    Args:
        places: in all.
        queues: from which messages come that take them.
    """

    def __init__(self, places: int, *, queues: int = 1) -> None:
        assert places > 0, "a worker without a place does nothing"
        self._free = places
        self._queues = max(queues, 1)
        self._waiting: set[asyncio.Future[None]] = set()

    @property
    def is_full(self) -> bool:
        return self._free == 0

    @property
    def share(self) -> int:
        """How many messages each queue may ask for: one, or more as long as all together ask for no more than fit."""
        return max(self._free // self._queues, 1)

    def enter(self) -> bool:
        """Takes a place; False if there is none."""
        if self._free == 0:
            return False
        self._free -= 1
        return True

    def leave(self) -> None:
        """Gives a place back."""
        self._free += 1
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)

    async def wait(self) -> None:
        """Returns when a place is free; whoever is first gets it."""
        while self.is_full:
            waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.add(waiting)
            try:
                await waiting
            finally:
                self._waiting.discard(waiting)
