"""Operations endpoints of a service without HTTP of its own: health, metrics and what it adds; POST /-/reload."""

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import orjson
import uvicorn

from sightwire.errors import ConfigurationError
from sightwire.service.health import Health
from sightwire.service.reloading import Configuration
from sightwire.telemetry.metrics import METRICS_CONTENT_TYPE, render_metrics

JSON_CONTENT_TYPE: Final = "application/json"

#: Body, content type and status of an answer.
Answer = tuple[bytes, str, int]
Page = Callable[[], Answer]
#: Answers a POST.
Action = Callable[[], Awaitable[Answer]]

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


def reload_action(configuration: Configuration[Any]) -> Action:
    """Reads the settings again; the answer says what changed, or what is wrong."""

    async def reload() -> Answer:
        try:
            outcome = await configuration.reload()
        except ConfigurationError as error:
            return orjson.dumps({"code": error.code, "detail": error.detail}), JSON_CONTENT_TYPE, 422
        return outcome.model_dump_json().encode(), JSON_CONTENT_TYPE, 200

    return reload


class OperationsApp:
    """ASGI application that answers GET from a table of pages, and POST from this machine from one of actions."""

    def __init__(self, pages: Mapping[str, Page], actions: Mapping[str, Action]) -> None:
        self._pages = pages
        self._actions = actions

    async def __call__(self, scope: dict[str, Any], _receive: _Receive, send: _Send) -> None:
        if scope["type"] != "http":
            return
        body, content_type, status = await self._answer(scope)
        headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: dict[str, Any]) -> Answer:
        if scope["method"] == "POST" and scope["path"] in self._actions:
            # Nobody needs a key here, and a container's port is open to its network.
            if not _is_this_machine(scope.get("client")):
                return b'{"detail":"only from this machine"}', JSON_CONTENT_TYPE, 403
            return await self._actions[scope["path"]]()
        page = self._pages.get(scope["path"])
        if page is None:
            return b'{"detail":"no such page"}', JSON_CONTENT_TYPE, 404
        return page()


def _is_this_machine(client: tuple[str, int] | None) -> bool:
    return client is not None and ipaddress.ip_address(client[0]).is_loopback


async def serve_operations(
    pages: Mapping[str, Page], actions: Mapping[str, Action], *, host: str, port: int, stopping: asyncio.Event
) -> None:
    """Serves pages and actions until `stopping` is set."""
    server = EmbeddedServer(
        uvicorn.Config(OperationsApp(pages, actions), host=host, port=port, log_config=None, access_log=False)
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
