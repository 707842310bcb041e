"""What becomes of an event whose processing failed: another try later, or the dead-letter queue."""

from dataclasses import dataclass
from typing import ClassVar

from sightwire.errors import SightwireError
from sightwire_embedder.backoff import backoff_seconds
from sightwire_embedder.models.served_models import NotServedError
from sightwire_embedder.triton.errors import ModelServerAwayError


class NeverAnsweredError(SightwireError):
    """An event that was delivered again and again, and each time the process died before it answered."""

    code: ClassVar[str] = "never-answered"


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential backoff: 0.5 s, 1 s, 2 s … one minute between tries."""

    max_deliveries: int
    first_delay_seconds: float = 0.5
    max_delay_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class RetryLater:
    """Deliver again after so many seconds."""

    delay_seconds: float


@dataclass(frozen=True, slots=True)
class Bury:
    """Put into the dead-letter queue."""

    code: str
    reason: str


def verdict(error: Exception, deliveries: int, policy: RetryPolicy, jitter: float) -> RetryLater | Bury:
    """The fate of an event whose delivery number `deliveries` (from 1) failed with `error`.

    `jitter`, uniform in 0..1, spreads tries: many events fail together, but must not come back together. Errors that
    the platform did not raise on purpose are taken for transient, since they say nothing about the event.
    """
    is_known = isinstance(error, SightwireError)
    is_transient = error.transient if isinstance(error, SightwireError) else True
    code = error.code if isinstance(error, SightwireError) else SightwireError.code
    reason = error.detail if isinstance(error, SightwireError) else f"{type(error).__name__}: {error}"
    if is_known and not is_transient:
        return Bury(code, reason)
    # A model that is missing, or its server, says nothing about the event, however long it takes until it is there.
    may_give_up = not isinstance(error, NotServedError | ModelServerAwayError)
    if may_give_up and deliveries >= policy.max_deliveries:
        return Bury(code, f"gave up after {deliveries} tries; the last one failed with: {reason}")
    return RetryLater(
        backoff_seconds(deliveries, jitter, first=policy.first_delay_seconds, longest=policy.max_delay_seconds)
    )
