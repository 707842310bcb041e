"""Whether searches can be answered: asks those who would have to answer, when somebody asks."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, Final

from nats.errors import Error as NatsError

from sightwire.bus.connection import Bus
from sightwire.errors import SightwireError
from sightwire.v1 import embedder_pb2
from sightwire_gateway.backends import EmbedderClient, SearcherClient
from sightwire_gateway.caches import GatewayCaches

HEALTHY: Final = "healthy"
LOADED: Final = "loaded"
DISABLED: Final = "disabled"

_BUS_SECONDS: Final = 1.0
_ALL_SECONDS: Final = 4.0
#: An answer is given again for so long, so that many who ask do not become load.
_REMEMBERED_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class HealthAnswer:
    """State of each part, and what follows from them."""

    parts: dict[str, str]
    can_search: bool


class GatewayHealth:
    """Checks the bus, the searcher and the embedder, and says how the caches are, without which all else goes on."""

    def __init__(
        self,
        bus: Bus,
        embedder: EmbedderClient,
        searcher: SearcherClient,
        caches: GatewayCaches,
        stopping: asyncio.Event,
    ) -> None:
        self._bus = bus
        self._caches = caches
        self._embedder = embedder
        self._searcher = searcher
        self._stopping = stopping
        self._last: HealthAnswer | None = None
        self._last_at = 0.0
        self._asking = asyncio.Lock()

    @property
    def is_draining(self) -> bool:
        return self._stopping.is_set()

    async def check(self) -> HealthAnswer:
        """The state now, or half a second ago."""
        async with self._asking:
            now = asyncio.get_running_loop().time()
            if self._last is None or now - self._last_at > _REMEMBERED_SECONDS:
                self._last = await self._ask_all()
                self._last_at = asyncio.get_running_loop().time()
            return self._last

    async def _ask_all(self) -> HealthAnswer:
        triton = DISABLED

        async def describe_model() -> None:
            nonlocal triton
            triton = _triton_state(await self._embedder.describe_model())

        nats, faiss, tokenizer = await asyncio.gather(
            _state(self._ping_bus(), HEALTHY),
            _state(self._searcher.check(), HEALTHY),
            _state(describe_model(), LOADED),
        )
        parts = {
            "nats": nats,
            "faiss": faiss,
            "tokenizer": tokenizer,
            "triton": triton,
            # The index is FAISS in the searcher.
            "opensearch": DISABLED,
            "redis": self._caches.health,
        }
        return HealthAnswer(
            parts, can_search=faiss == HEALTHY and tokenizer == LOADED and triton in {HEALTHY, DISABLED}
        )

    async def _ping_bus(self) -> None:
        if not self._bus.is_connected:
            raise ConnectionError("not connected")
        await self._bus.client.flush(timeout=_BUS_SECONDS)  # type: ignore[arg-type]  # whole seconds in the stub only


def _triton_state(model: embedder_pb2.DescribeModelResponse) -> str:
    """Of the server that runs the embedder's models, where there is one."""
    if not model.triton:
        return DISABLED
    return HEALTHY if model.triton == HEALTHY else f"unhealthy: {model.triton}"


async def _state(check: Awaitable[Any], good: str) -> str:
    try:
        async with asyncio.timeout(_ALL_SECONDS):
            await check
    except SightwireError as error:
        return f"unhealthy: {error.detail}"
    except TimeoutError:
        return f"unhealthy: no answer in {_ALL_SECONDS:g} s"
    except (NatsError, OSError) as error:
        return f"unhealthy: {error}"
    return good
