"""A Triton server as what runs an embedder's models, for as long as the embedder runs."""

import asyncio
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Final

from sightwire.bundles import BUNDLE_FILE, Bundle
from sightwire.bundles.loading import read_spec
from sightwire.ending_tasks import end_tasks
from sightwire.lasting_tasks import start_lasting
from sightwire.service.health import Health
from sightwire_embedder.engine import MakeLoader
from sightwire_embedder.settings import EmbedderSettings
from sightwire_embedder.triton.configurations import graphs_of
from sightwire_embedder.triton.connection import TritonConnection
from sightwire_embedder.triton.graphs import TritonLoader

_LOOK_SECONDS: Final = 0.5


class TritonServer:
    """The server that the settings name, and whether the models that the embedder was started with can be called."""

    def __init__(self, settings: EmbedderSettings) -> None:
        """Raises `ConfigurationError` when the settings name no server, `BundleError` when they name no bundle."""
        self._connection = TritonConnection(settings.triton_url, call_seconds=settings.triton_call_seconds)
        spec = read_spec(settings.model_bundle / BUNDLE_FILE)
        self._models = tuple(graph.model for graph in graphs_of(spec))
        self.problem: str | None = f"Triton at {settings.triton_url} was not asked yet"

    def loader_of(self, bundle: Bundle) -> TritonLoader:
        """What finds a bundle's models there."""
        return TritonLoader(self._connection, bundle)

    def close(self) -> None:
        """Ends running calls."""
        self._connection.close()

    async def wait_until_ready(self, stopping: asyncio.Event) -> None:
        """Returns once the server has loaded what it is to load, or when it is time to stop."""
        while not stopping.is_set():
            await self._ask(())
            if self.problem is None:
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), _LOOK_SECONDS)

    async def watch(self) -> None:
        """Looks after the models for ever."""
        while True:
            await self._ask(self._models)
            await asyncio.sleep(_LOOK_SECONDS)

    async def _ask(self, models: tuple[str, ...]) -> None:
        self.problem = await asyncio.to_thread(self._connection.why_not_ready, models)


@dataclass(frozen=True, slots=True)
class ModelBackend:
    """What runs an embedder's models: a Triton server, or ONNX Runtime in this process."""

    server: TritonServer | None = None

    @property
    def make_loader(self) -> MakeLoader | None:
        """What opens the models of bundles; None for ONNX Runtime."""
        return None if self.server is None else self.server.loader_of

    def triton_state(self) -> str:
        """State of the server: healthy, or what is wrong; empty where there is none."""
        return "" if self.server is None else self.server.problem or "healthy"


async def open_backend(
    settings: EmbedderSettings, health: Health, stopping: asyncio.Event, resources: AsyncExitStack
) -> ModelBackend:
    """What the settings name, once it is there.

    The embedder is not ready while the server is away.

    Raises:
        ConfigurationError: the settings cannot work.
    """
    if settings.embedder_backend == "onnxruntime":
        return ModelBackend()
    server = TritonServer(settings)
    resources.callback(server.close)
    health.add("triton", lambda: server.problem)
    await server.wait_until_ready(stopping)
    watching = start_lasting(server.watch(), name="triton-watch")
    resources.push_async_callback(end_tasks, watching)
    return ModelBackend(server)
