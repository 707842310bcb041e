"""Operations endpoints of a service without HTTP of its own: /livez, /readyz, /metrics and what it adds."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import orjson
import uvicorn

from sightwire.service.health import Health
from sightwire.telemetry.metrics import METRICS_CONTENT_TYPE, render_metrics

JSON_CONTENT_TYPE: Final = "application/json"

#: Body, content type and status of an answer.
Answer = tuple[bytes, str, int]
Page = Callable[[], Answer]

_Send = Callable[[dict[str, Any]], Awaitable[None]]
_Receive = Callable[[], Awaitable[dict[str, Any]]]


def operations_pages(health: Health) -> dict[str, Page]:
    """The pages that every service has."""

    def live() -> Answer:
        return b'{"status":"alive"}', JSON_CONTENT_TYPE, 200

    def ready() -> Answer:
        report = health.report()
        body = {"status": "ready" if report.is_ready else "not ready", "checks": report.problems}
        return orjson.dumps(body), JSON_CONTENT_TYPE, 200 if report.is_ready else 503

    def metrics() -> Answer:
        return render_metrics(), METRICS_CONTENT_TYPE, 200

    return {"/livez": live, "/readyz": ready, "/metrics": metrics}


class OperationsApp:
    """ASGI application that answers GET from a table of pages."""

    def __init__(self, pages: Mapping[str, Page]) -> None:
        self._pages = pages

    async def __call__(self, scope: dict[str, Any], _receive: _Receive, send: _Send) -> None:
        if scope["type"] != "http":
            return
        page = self._pages.get(scope["path"])
        if page is None:
            body, content_type, status = b'{"detail":"no such page"}', JSON_CONTENT_TYPE, 404
        else:
            body, content_type, status = page()
        headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def serve_operations(pages: Mapping[str, Page], *, host: str, port: int, stopping: asyncio.Event) -> None:
    """Serves the pages until `stopping` is set."""
    server = EmbeddedServer(
        uvicorn.Config(OperationsApp(pages), host=host, port=port, log_config=None, access_log=False)
    )
    serving = asyncio.create_task(server.serve(), name="operations")
    await stopping.wait()
    server.should_exit = True
    await serving


class EmbeddedServer(uvicorn.Server):
    """Uvicorn without signal handlers: the service's runner has them."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signals alone."""
        yield
