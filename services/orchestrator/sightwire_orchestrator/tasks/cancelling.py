"""The word that nobody waits for an attempt any longer."""

import asyncio
from collections.abc import Callable

from typing_extensions import override


def _nobody_listens() -> None:
    return


class Cancellation(asyncio.Event):
    """An event that calls its listener, too: a task that waits for it would cost more than a small attempt."""

    def __init__(self) -> None:
        super().__init__()
        self._listener: Callable[[], None] = _nobody_listens

    @override
    def set(self) -> None:
        super().set()
        self._listener()

    def listen(self, listener: Callable[[], None]) -> None:
        """Has `listener` called when it is set, at once if it is; the last one counts."""
        self._listener = listener
        if self.is_set():
            listener()

    def leave(self) -> None:
        """Nobody listens any longer."""
        self._listener = _nobody_listens
