"""Ending background tasks for certain."""

import asyncio
from typing import Any, Final

_CANCEL_AGAIN_SECONDS: Final = 0.25


async def end_tasks(*tasks: asyncio.Task[Any]) -> None:
    """Cancels tasks and returns once they have ended, however they did.

    One cancellation may not do: until Python 3.12 `asyncio.wait_for`, which the NATS client is full of, loses one that
    comes in the moment in which what it waits for is done (python/cpython#86296). So it is repeated.
    """
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_CANCEL_AGAIN_SECONDS)
