"""What surrounds every request: trace, key, metrics, and an end for bodies that nobody wants to read.

Pure ASGI, because it stands on the path of each search: a middleware with request and response objects costs more than
all of this.
"""

import asyncio
import logging
import time
from typing import Final
from urllib.parse import unquote_to_bytes

from opentelemetry import trace
from opentelemetry.trace import SpanKind
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sightwire.errors import UnauthorizedError
from sightwire.security.keys import KeyCheck
from sightwire.telemetry.tracing import TRACEPARENT, context_from, tracer
from sightwire_gateway import metrics
from sightwire_gateway.problems import problem_response, unexpected_problem
from sightwire_gateway.trace_ids import unrecorded_span

logger = logging.getLogger(__name__)
_tracer = tracer(__name__)

#: Asked by machines that have no key; they tell nothing about content.
OPEN_PATHS: Final = frozenset({"/health", "/livez", "/readyz"})
#: Routes whose requests also count under the names that existing dashboards use.
VISUAL_ENDPOINTS: Final = frozenset({"/ingest/image", "/search/text", "/search/hybrid", "/search/similar", "/search"})

#: Member of a request's state: the name of its key, None where none is needed.
KEY_NAME: Final = "key_name"
TRACE_ID_HEADER: Final = b"x-trace-id"
_TRACEPARENT_HEADER: Final = TRACEPARENT.encode()
_LINGER_SECONDS: Final = 2.0
_LINGER_BYTES: Final = 64 * 1024 * 1024
_UNMATCHED_ROUTE: Final = "unmatched"


class Guard:
    """The outermost ASGI application."""

    def __init__(self, app: ASGIApp, keys: KeyCheck) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["path"] = routable_path(scope)
        parent = context_from(_header(scope, _TRACEPARENT_HEADER))
        # Started without a route: only the router knows it.
        span = _tracer.start_span(scope["method"], context=parent, kind=SpanKind.SERVER)
        if not span.get_span_context().is_valid:
            span = unrecorded_span()
        exchange = _Exchange(scope, receive, send, span)
        metrics.HTTP_IN_FLIGHT.inc()
        try:
            with trace.use_span(span, record_exception=False, set_status_on_exception=False):
                await self._answer(exchange)
        finally:
            metrics.HTTP_IN_FLIGHT.dec()
            exchange.finish()

    async def _answer(self, exchange: "_Exchange") -> None:
        scope = exchange.scope
        try:
            if scope["path"] not in OPEN_PATHS:
                # Where `Request.state` finds it.
                scope.setdefault("state", {})[KEY_NAME] = self._keys.check_headers(scope["headers"])
        except UnauthorizedError as error:
            await problem_response(error)(scope, exchange.receive, exchange.send)
            return
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except Exception:
            # The application has answered with a problem document already, unless the answer had begun.
            logger.exception("a request failed", extra={"method": scope["method"], "path": scope["path"]})
            if not exchange.has_started:
                await unexpected_problem()(scope, exchange.receive, exchange.send)


class _Exchange:
    """One request and its answer, as they pass by."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, span: trace.Span) -> None:
        self.scope = scope
        self.has_started = False
        self._receive = receive
        self._send = send
        self._span = span
        self._started_at = time.perf_counter()
        self._status = 0
        self._body_was_asked_for = False
        self._body_is_read = False

    async def receive(self) -> Message:
        self._body_was_asked_for = True
        message = await self._receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            self._body_is_read = True
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_started = True
            self._status = message["status"]
            headers = list(message.get("headers", ()))
            trace_id = self._span.get_span_context().trace_id
            headers.append((TRACE_ID_HEADER, b"%032x" % trace_id))
            if self._must_linger:
                headers.append((b"connection", b"close"))
            message = {**message, "headers": headers}
        elif self._must_linger and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            await self._linger()
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)

    @property
    def _must_linger(self) -> bool:
        """Whether the request is refused while its body is still on its way."""
        return self._status >= 400 and not self._body_is_read and self._body_was_asked_for

    async def _linger(self) -> None:
        """Throws away what is still coming for a moment: closing at once would reset the connection, and the caller
        would never read the answer that is already sent."""
        thrown_away = 0
        try:
            async with asyncio.timeout(_LINGER_SECONDS):
                while not self._body_is_read and thrown_away < _LINGER_BYTES:
                    message = await self.receive()
                    thrown_away += len(message.get("body", b""))
        except TimeoutError:
            return

    def finish(self) -> None:
        """Counts and records the request, once its route and its status are known."""
        seconds = time.perf_counter() - self._started_at
        method, status = self.scope["method"], self._status or 499
        route = getattr(self.scope.get("route"), "path", _UNMATCHED_ROUTE)
        metrics.HTTP_REQUESTS.labels(method, route, status).inc()
        metrics.HTTP_SECONDS.labels(method, route).observe(seconds)
        if route in VISUAL_ENDPOINTS:
            metrics.VISUAL_REQUESTS.labels(route, status).inc()
            metrics.VISUAL_SECONDS.labels(route).observe(seconds)
        if self._span.is_recording():
            self._span.update_name(f"{method} {route}")
            self._span.set_attributes(
                {
                    "http.request.method": method,
                    "http.route": route,
                    "http.response.status_code": status,
                    "url.path": self.scope["path"],
                }
            )
            if status >= 500:
                self._span.set_status(trace.StatusCode.ERROR)
        self._span.end()


def routable_path(scope: Scope) -> str:
    """The path, decoded but for `%2F` and `%25`, so that a slash inside an item's id does not split it.

    Routes decode what they take out of the path once more (`sightwire_gateway.paths`).
    """
    path: str = scope["path"]
    raw_path: bytes | None = scope.get("raw_path")
    if raw_path is None or b"%" not in raw_path:
        return path
    protected = raw_path.replace(b"%25", b"%2525").replace(b"%2F", b"%252F").replace(b"%2f", b"%252F")
    return unquote_to_bytes(protected).decode(errors="replace")


def _header(scope: Scope, name: bytes) -> str | None:
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    return next((value.decode("latin-1") for key, value in headers if key == name), None)
