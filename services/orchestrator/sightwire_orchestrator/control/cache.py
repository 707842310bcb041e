"""Answers requests on `control.cache`, as long as this orchestrator is the active one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import assert_never

from pydantic import BaseModel

from sightwire.bus.connection import Bus
from sightwire.bus.responding import Responder
from sightwire.cache.levels import MultiLevelCache
from sightwire.contracts import subjects
from sightwire.contracts.cache_control import CACHE_REQUESTS, CacheCleared, CacheRequest, ClearCache, ReadCache


class CacheDesk:
    """Statistics and deletions of cached results of tasks."""

    def __init__(self, bus: Bus, cache: MultiLevelCache) -> None:
        self._bus = bus
        self._cache = cache

    @asynccontextmanager
    async def answering(self) -> AsyncIterator[None]:
        """Answers requests while the block runs."""
        async with Responder(self._bus, subjects.CONTROL_CACHE, CACHE_REQUESTS, self.answer).answering():
            yield

    async def answer(self, request: CacheRequest) -> BaseModel:
        """What is asked for; see `sightwire.contracts.cache_control`."""
        match request:
            case ReadCache():
                return await self._cache.accounting()
            case ClearCache():
                await (self._cache.clear() if request.everything else self._cache.delete_by_tags(*request.tags))
                return CacheCleared(tags=request.tags, everything=request.everything, health=self._cache.health)
            case _:
                assert_never(request)
