"""What tests that kill processes do: end a process once it is ready again, and repeat what was not accepted."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sightwire.client.problems import ApiError, ConnectionFailedError
from sightwire.platform.supervised_process import ProcessState, SupervisedProcess

Accepted = TypeVar("Accepted")


async def until_accepted(send: Callable[[], Awaitable[Accepted]]) -> Accepted:
    """What a careful user does: the same request again until the platform takes it; raises what is the user's fault."""
    while True:
        try:
            return await send()
        except (ConnectionFailedError, ApiError) as error:
            if isinstance(error, ApiError) and error.http_status < 500:
                raise
            await asyncio.sleep(0.1)


def was_killed(process: SupervisedProcess, *, kills: int) -> bool:
    """Ends a process with SIGKILL if it is ready again after `kills` earlier ones; whether that was done."""
    if process.restarts < kills or process.state is not ProcessState.READY or process.process_id is None:
        return False
    try:
        os.kill(process.process_id, signal.SIGKILL)
    except ProcessLookupError:
        # It died of itself a moment ago, because another process did; its next life is the one to end.
        return False
    return True
