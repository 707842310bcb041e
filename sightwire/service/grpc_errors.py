"""The platform's errors over gRPC: as status codes on the way out, and as the same errors again at the caller.

The error's `code` travels in the trailing metadata, so that a caller need not guess it from the status.
"""

import functools
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import grpc
import grpc.aio

from sightwire.errors import (
    ConflictError,
    CorruptDataError,
    DeadlineError,
    InvalidInputError,
    NotFoundError,
    OverloadedError,
    SightwireError,
    TooLargeError,
    UnauthorizedError,
    UnavailableError,
    error_with_code,
)

logger = logging.getLogger(__name__)

ERROR_CODE_METADATA: Final = "sightwire-error"

# The first class that fits decides, so that subclasses stand before their bases.
_STATUS_BY_ERROR: Final[tuple[tuple[type[SightwireError], grpc.StatusCode], ...]] = (
    (DeadlineError, grpc.StatusCode.DEADLINE_EXCEEDED),
    (OverloadedError, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (UnavailableError, grpc.StatusCode.UNAVAILABLE),
    (InvalidInputError, grpc.StatusCode.INVALID_ARGUMENT),
    (NotFoundError, grpc.StatusCode.NOT_FOUND),
    (ConflictError, grpc.StatusCode.FAILED_PRECONDITION),
    (UnauthorizedError, grpc.StatusCode.UNAUTHENTICATED),
    (CorruptDataError, grpc.StatusCode.DATA_LOSS),
)

Servicer = TypeVar("Servicer")
Request = TypeVar("Request")
Response = TypeVar("Response")
Context = grpc.aio.ServicerContext[Any, Any]
Method = Callable[[Servicer, Request, Context], Awaitable[Response]]
ThreadMethod = Callable[[Servicer, Request, grpc.ServicerContext], Response]

_INTERNAL_DETAIL: Final = "internal error; the service's log has the details"


def status_of(error: SightwireError) -> grpc.StatusCode:
    """The status code that says what `error` says."""
    for kind, status in _STATUS_BY_ERROR:
        if isinstance(error, kind):
            return status
    return grpc.StatusCode.INTERNAL


def answering_errors(method: Method[Servicer, Request, Response]) -> Method[Servicer, Request, Response]:
    """Decorates an asynchronous servicer method: the platform's errors become statuses, any other one INTERNAL."""

    @functools.wraps(method)
    async def answer(servicer: Servicer, request: Request, context: Context) -> Response:
        try:
            return await method(servicer, request, context)
        except SightwireError as error:
            await context.abort(status_of(error), error.detail, ((ERROR_CODE_METADATA, error.code),))
        except grpc.aio.AbortError:
            raise
        except Exception:
            logger.exception("a call failed", extra={"method": method.__name__})
            await context.abort(grpc.StatusCode.INTERNAL, _INTERNAL_DETAIL)

    return answer


def answering_errors_in_thread(
    method: ThreadMethod[Servicer, Request, Response],
) -> ThreadMethod[Servicer, Request, Response]:
    """`answering_errors` for a servicer method that a server runs in a thread."""

    @functools.wraps(method)
    def answer(servicer: Servicer, request: Request, context: grpc.ServicerContext) -> Response:
        try:
            return method(servicer, request, context)
        except SightwireError as error:
            context.set_trailing_metadata(((ERROR_CODE_METADATA, error.code),))
            status, detail = status_of(error), error.detail
        except Exception:
            logger.exception("a call failed", extra={"method": method.__name__})
            status, detail = grpc.StatusCode.INTERNAL, _INTERNAL_DETAIL
        # It raises, so that nothing is answered.
        context.abort(status, detail)

    return answer


def error_from_call(error: grpc.aio.AioRpcError, *, service: str) -> SightwireError:
    """The platform's error for a call that failed; `service` names who was called, such as `searcher`."""
    detail = error.details() or error.code().name
    metadata: Any = error.trailing_metadata() or ()
    code = next((value for key, value in metadata if key == ERROR_CODE_METADATA), None)
    if (known := error_with_code(code, detail)) is not None:
        return known
    if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED and "larger than max" in detail:
        return TooLargeError(f"the {service} refused a message: {detail}")
    for kind, status in _STATUS_BY_ERROR:
        if status is error.code():
            return kind(f"{service}: {detail}")
    return SightwireError(f"{service}: {detail}")
