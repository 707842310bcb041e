"""The endpoints that are configured, each opened when it is first asked."""

import asyncio
from collections.abc import Mapping
from importlib import import_module
from types import TracebackType
from typing import TYPE_CHECKING, Self

from sightwire.errors import NotFoundError
from sightwire_orchestrator.tasks.endpoints.settings import EndpointSettings

if TYPE_CHECKING:
    from sightwire_orchestrator.tasks.endpoints.chat import ChatEndpoint


class ChatEndpoints:
    """Endpoints by name, for the life of a worker."""

    def __init__(self, settings: Mapping[str, EndpointSettings]) -> None:
        self._settings = settings
        self._open: dict[str, ChatEndpoint] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        await asyncio.gather(*(endpoint.close() for endpoint in self._open.values()))

    async def get(self, name: str) -> "ChatEndpoint":
        """An endpoint by its name.

        Raises:
            NotFoundError: none of that name is configured.
        """
        if name not in self._settings:
            raise NotFoundError(
                f"no endpoint {name!r} is configured; there are {', '.join(sorted(self._settings)) or 'none'}: add it "
                "to SIGHTWIRE_ORCHESTRATOR_ENDPOINTS"
            )
        if name not in self._open:
            # It loads the client library: a second and 60 MB, for workers that ask endpoints alone.
            chat = await asyncio.to_thread(import_module, "sightwire_orchestrator.tasks.endpoints.chat")
            # Another task may have opened it meanwhile.
            if name not in self._open:
                self._open[name] = chat.ChatEndpoint(name, self._settings[name])
        return self._open[name]
