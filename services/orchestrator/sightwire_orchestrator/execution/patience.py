"""Waits for what is away."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from sightwire.errors import UnavailableError

logger = logging.getLogger(__name__)

RETRY_SECONDS: Final = 0.5

Result = TypeVar("Result")


async def patiently(act: Callable[[], Awaitable[Result]], *, what: str) -> Result:
    """What `act` returns, called again while bus or database do not answer; what it does must bear repetition.

    Args:
        what: cannot be done, for the log.
    """
    while True:
        try:
            return await act()
        except UnavailableError as error:
            logger.warning("cannot %s now", what, extra={"error": str(error)})
            await asyncio.sleep(RETRY_SECONDS)
