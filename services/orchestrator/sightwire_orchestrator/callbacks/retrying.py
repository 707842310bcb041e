"""When a delivery is tried again. Decides only; senders wait."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from sightwire.errors import SightwireError, UnavailableError

Result = TypeVar("Result")


class DeliveryRefusedError(SightwireError):
    """Whoever is to be told refuses, and will refuse again."""

    code = "delivery-refused"
    status = 502


class DeliveryFailedError(UnavailableError):
    """Whoever is to be told cannot be reached now, or says to come again.

    Args:
        retry_after: seconds that the other end asks for.
    """

    code = "delivery-failed"

    def __init__(self, detail: str, *, retry_after: float | None = None) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class DeliveryRetries:
    """Waits that double, each shortened by up to a quarter; times in seconds."""

    attempts: int = 6
    initial_delay: float = 0.5
    max_delay: float = 30.0
    #: Of what the other end asks for; longer waits are not waited for.
    max_retry_after: float = 120.0

    def delay_after(self, attempt: int, *, jitter: float, retry_after: float | None = None) -> float | None:
        """Seconds until the next attempt; None: there is none.

        Args:
            attempt: that failed; the first is 1.
            jitter: 0 to 1.
        """
        if attempt >= self.attempts:
            return None
        if retry_after is not None:
            return retry_after if retry_after <= self.max_retry_after else None
        doubled = min(self.initial_delay * 2.0 ** min(attempt - 1, 60), self.max_delay)
        return doubled * (1 - jitter / 4)


async def with_retries(deliver: Callable[[], Awaitable[Result]], retries: DeliveryRetries) -> tuple[Result, int]:
    """What `deliver` returns once it succeeds, and in which attempt.

    Raises:
        DeliveryFailedError: it failed in each attempt; the last failure.
        DeliveryRefusedError: it was refused in one.
    """
    attempt = 1
    while True:
        try:
            return await deliver(), attempt
        except DeliveryFailedError as error:
            # Not for secrets: deliveries that failed together shall not come again together.
            delay = retries.delay_after(attempt, jitter=random.random(), retry_after=error.retry_after)  # noqa: S311
            if delay is None:
                tried = "once" if attempt == 1 else f"{attempt} times"
                raise DeliveryFailedError(f"{error.detail} (tried {tried})", retry_after=error.retry_after) from error
        await asyncio.sleep(delay)
        attempt += 1
