"""Tries again while a server is away, and says so."""

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


class Retrying:
    """Repeats actions that find a server away.

    Args:
        report: called with what is being tried again and why, or with None once nothing is.
    """

    def __init__(self, report: Callable[[str | None], None]) -> None:
        self._report = report
        self._problems: dict[str, str] = {}

    async def until_available(self, action: Callable[[], Awaitable[Result]], what: str) -> Result:
        """The result of `action`, repeated with backoff and jitter as long as it raises `UnavailableError`.

        Args:
            what: the action in words, such as `commit`; different ones may be tried at the same time.
        """
        delay = _FIRST_SECONDS
        while True:
            try:
                result = await action()
            except UnavailableError as error:
                logger.warning("trying again", extra={"action": what, "error": error.detail})
                self._problems[what] = error.detail
                self._tell()
            else:
                if self._problems.pop(what, None) is not None:
                    self._tell()
                return result
            await asyncio.sleep(delay * random.uniform(0.5, 1.0))  # noqa: S311  jitter
            delay = min(2 * delay, _MAX_SECONDS)

    def _tell(self) -> None:
        problems = [f"cannot {what}: {why}" for what, why in self._problems.items()]
        self._report("; ".join(problems) or None)
