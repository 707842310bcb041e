"""Tries again while a server is away."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from sightwire.errors import UnavailableError

logger = logging.getLogger(__name__)

_FIRST_SECONDS: Final = 0.1
_MAX_SECONDS: Final = 5.0

Result = TypeVar("Result")


async def until_available(action: Callable[[], Awaitable[Result]], what: str) -> Result:
    """The result of `action`, repeated with backoff and jitter as long as it raises `UnavailableError`."""
    delay = _FIRST_SECONDS
    while True:
        try:
            return await action()
        except UnavailableError as error:
            logger.warning("trying again", extra={"action": what, "error": error.detail})
        await asyncio.sleep(delay * random.uniform(0.5, 1.0))  # noqa: S311  jitter
        delay = min(2 * delay, _MAX_SECONDS)
