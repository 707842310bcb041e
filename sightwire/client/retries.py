"""When the client tries a request again. Pure decisions, shared by both clients."""

from sightwire.client.problems import ApiError, ConnectionFailedError

ATTEMPTS = 4
_FIRST_DELAY_SECONDS = 0.25


def delay_before_retry(error: ApiError | ConnectionFailedError, attempt: int, *, repeatable: bool) -> float | None:
    """Seconds to wait before attempt `attempt` + 1; None when `error` should reach the caller.

    An overloaded platform asks everybody to come back; a broken connection leaves open whether the request was carried
    out, so that only requests that may run twice are sent again.
    """
    if attempt >= ATTEMPTS:
        return None
    may_try_again = error.may_succeed_later if isinstance(error, ApiError) else repeatable
    return _FIRST_DELAY_SECONDS * 2.0 ** (attempt - 1) if may_try_again else None
