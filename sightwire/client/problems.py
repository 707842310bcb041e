"""What the client raises."""

from typing import Any

import httpx

from sightwire.errors import SightwireError

_SERVER_BUSY = frozenset({httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE})


class ConnectionFailedError(SightwireError):
    """The platform did not answer at all."""

    code = "connection-failed"
    transient = True


class ApiError(SightwireError):
    """The platform refused a request; `problem` is its RFC 9457 problem document."""

    def __init__(self, http_status: int, problem: dict[str, Any]) -> None:
        self.http_status = http_status
        self.problem = problem
        detail = str(problem.get("detail") or problem.get("title") or f"HTTP {http_status}")
        super().__init__(detail)

    @property
    def kind(self) -> str:
        """Short name of the problem, such as `unknown-collection`."""
        return str(self.problem.get("type", "")).rpartition(":")[2]

    @property
    def trace_id(self) -> str | None:
        """The trace to look at, or to mention in a report."""
        trace_id = self.problem.get("trace_id")
        return str(trace_id) if trace_id else None

    @property
    def may_succeed_later(self) -> bool:
        """Whether the same request may succeed later."""
        return self.http_status in _SERVER_BUSY

    def __str__(self) -> str:
        errors = self.problem.get("errors")
        listed = "; ".join(str(error) for error in errors) if isinstance(errors, list) else ""
        return f"{self.detail} ({listed})" if listed else self.detail


def raise_for_problem(response: httpx.Response) -> None:
    """Raise ApiError for an answer of 400 or more; its body must have been read."""
    if response.status_code < httpx.codes.BAD_REQUEST:
        return
    try:
        document = response.json()
    except ValueError:
        document = None
    if not isinstance(document, dict):
        document = {"title": response.reason_phrase, "detail": response.text[:500].strip()}
    raise ApiError(response.status_code, document)


def connection_failed(base_url: str, error: httpx.TransportError) -> ConnectionFailedError:
    """The error for a request that got no answer."""
    if isinstance(error, httpx.ConnectError):
        return ConnectionFailedError(
            f"no Sightwire platform answers at {base_url} ({error}); start one with `sightwire up`, "
            f"or name the address of another"
        )
    if isinstance(error, httpx.TimeoutException):
        return ConnectionFailedError(f"{base_url} did not answer in time ({type(error).__name__}); try again")
    return ConnectionFailedError(f"the connection to {base_url} broke: {type(error).__name__}: {error}; try again")
