"""Problem documents (RFC 9457): every error of the gateway as JSON with a trace id, and never with a stack trace."""

from collections.abc import Sequence
from typing import Any, Final

import orjson
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from sightwire.errors import OverloadedError, SightwireError, UnauthorizedError, UnavailableError
from sightwire_gateway.errors import (
    InvalidRequestError,
    MalformedRequestError,
    MethodNotAllowedError,
    NoSuchRouteError,
)
from sightwire_gateway.trace_ids import current_trace_id

PROBLEM_CONTENT_TYPE: Final = "application/problem+json"
_MAX_ERRORS: Final = 50
_MAX_INPUT_CHARACTERS: Final = 100


class ProblemDetail(BaseModel):
    """One member of the request that is wrong."""

    path: str = Field(description="Where, such as `items.0.vectors`", examples=["k"])
    message: str = Field(examples=["Input should be greater than or equal to 1 (got 0)"])


class Problem(BaseModel):
    """A problem document, RFC 9457."""

    type: str = Field(examples=["urn:sightwire:problem:unknown-collection"])
    title: str = Field(examples=["Unknown collection"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["there is no collection 'cats' (there are: demo); create it first"])
    trace_id: str = Field(
        description="Finds the request in traces and logs", examples=["0af7651916cd43dd8448eb211c80319c"]
    )
    errors: list[ProblemDetail] | None = None


def problem_members(error: SightwireError) -> dict[str, Any]:
    """The problem document of an error as a mapping, for answers that carry several."""
    members: dict[str, Any] = {
        "type": f"urn:sightwire:problem:{error.code}",
        "title": error.code.replace("-", " ").capitalize(),
        "status": error.status,
        "detail": error.detail,
        "trace_id": current_trace_id(),
    }
    if isinstance(error, InvalidRequestError):
        members["errors"] = error.errors
    return members


def problem_response(error: SightwireError) -> Response:
    """The answer for an error."""
    headers = {}
    if isinstance(error, UnauthorizedError):
        headers["www-authenticate"] = "Bearer"
    elif isinstance(error, OverloadedError | UnavailableError):
        headers["retry-after"] = "1"
    return Response(
        orjson.dumps(problem_members(error)),
        status_code=error.status,
        media_type=PROBLEM_CONTENT_TYPE,
        headers=headers,
    )


def invalid_request(
    error: ValidationError | RequestValidationError, *, prefix: Sequence[str | int] = ()
) -> SightwireError:
    """The error for what pydantic found wrong.

    Args:
        error: pydantic's or FastAPI's.
        prefix: where the validated part stands in the request, such as `("items", 3)`.
    """
    found = error.errors()
    if any(item["type"] == "json_invalid" for item in found):
        return MalformedRequestError(f"the body is not JSON: {_reason(found[0])}")
    errors = [
        {
            "path": _path([*prefix, *item["loc"]]),
            "message": f"{item['msg'].removeprefix('Value error, ')} (got {_shown(item.get('input'))})",
        }
        for item in found[:_MAX_ERRORS]
    ]
    first = errors[0]
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return InvalidRequestError(f"{first['path']}: {first['message']}{more}", errors)


async def answer_platform_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, SightwireError)
    return problem_response(error)


async def answer_validation_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError | ValidationError)
    return problem_response(invalid_request(error))


async def answer_http_error(request: Request, error: Exception) -> Response:
    """Errors that the framework itself raises: unknown routes and methods."""
    assert isinstance(error, HTTPException)
    path = request.url.path
    if error.status_code == 404:
        return problem_response(NoSuchRouteError(f"there is nothing at {path!r}; /docs lists what there is"))
    if error.status_code == 405:
        response = problem_response(MethodNotAllowedError(f"{path!r} does not take {request.method}; see /docs"))
        response.headers.update(error.headers or {})
        return response
    return problem_response(MalformedRequestError(str(error.detail)))


async def answer_bus_error(_request: Request, error: Exception) -> Response:
    """The bus failed on something else than a publish, which has errors of its own."""
    return problem_response(UnavailableError(f"the bus does not answer: {error or type(error).__name__}; try again"))


async def answer_unexpected_error(_request: Request, _error: Exception) -> Response:
    return unexpected_problem()


def unexpected_problem() -> Response:
    """Says nothing of what went wrong: the log does, under the same trace id."""
    return problem_response(SightwireError("an unexpected error; the gateway's log has it under this trace id"))


def _path(location: Sequence[str | int]) -> str:
    # FastAPI begins with where the value was looked for; the reader knows that from the name.
    parts = list(location)
    if len(parts) > 1 and parts[0] in ("query", "path", "body", "header"):
        parts = parts[1:]
    return ".".join(str(part) for part in parts) or "body"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _MAX_INPUT_CHARACTERS else f"{text[:_MAX_INPUT_CHARACTERS]}…"


def _reason(item: Any) -> str:
    context = item.get("ctx") or {}
    return str(context.get("error", item["msg"]))
