"""Answers orders with results that are kept from before, and keeps those that come."""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from pydantic import JsonValue, TypeAdapter

from sightwire.cache.filling import Gap
from sightwire.cache.levels import MultiLevelCache
from sightwire.contracts.pipelines import AttemptAbandoned, TaskOrder, TaskResult, attempt_id
from sightwire_orchestrator.caching.entries import entry_key, is_cacheable, tags_of
from sightwire_orchestrator.runs.plan import Plan
from sightwire_orchestrator.tasks.handler_versions import handlers_of, version_of, version_without_any
from sightwire_orchestrator.tasks.registry import HandlerRegistry

logger = logging.getLogger(__name__)

#: In the place of a worker's name.
CACHE: Final = "cache"
_JSON: Final[TypeAdapter[JsonValue]] = TypeAdapter(JsonValue)


@dataclass(frozen=True, slots=True)
class _Expected:
    """A result that may be kept when it comes."""

    gap: Gap
    handlers: tuple[str, ...]
    handler_version: str
    ttl_seconds: float | None


class TaskResultCache:
    """Outputs of successful attempts, by what they depend on. No failure of the cache is one of a run.

    Args:
        cache: open.
        handlers: those that are installed here say of which version results must be.
    """

    def __init__(self, cache: MultiLevelCache, handlers: HandlerRegistry) -> None:
        self._cache = cache
        self._handlers = handlers
        #: Versions that workers told of handlers that are installed only there.
        self._told: dict[tuple[str, ...], str] = {}
        self._expected: dict[str, _Expected] = {}

    async def known(self, plan: Plan, orders: Iterable[TaskOrder]) -> dict[str, TaskResult]:
        """Results of those orders that need not be carried out, by attempt. Those of the others are kept later."""
        asked = [order for order in orders if is_cacheable(plan.tasks[order.task], order)]
        found = await asyncio.gather(*(self._find(plan, order) for order in asked))
        return {attempt_id(result): result for result in found if result is not None}

    async def keep(self, result: TaskResult) -> None:
        """Keeps a result that came, unless it is an error or of another handler than the one that was expected."""
        expected = self._expected.pop(attempt_id(result), None)
        if expected is None or result.error is not None or result.cached:
            return
        if version_of(self._handlers, expected.handlers) is None:
            self._told[expected.handlers] = result.handler_version
        if result.handler_version == expected.handler_version:
            await self._cache.fill(expected.gap, _JSON.dump_json(result.output), ttl_seconds=expected.ttl_seconds)

    def forget(self, attempt: AttemptAbandoned) -> None:
        """No result of an attempt is waited for any longer."""
        self._expected.pop(attempt_id(attempt), None)

    async def _find(self, plan: Plan, order: TaskOrder) -> TaskResult | None:
        task = plan.tasks[order.task]
        handlers = handlers_of(order)
        version = version_of(self._handlers, handlers) or self._told.get(handlers) or version_without_any(handlers)
        tags = tags_of(task, order)
        found = await self._cache.look_up(entry_key(order, tags, version), tags=tags)
        if isinstance(found, Gap):
            self._expected[attempt_id(order)] = _Expected(found, handlers, version, plan.definition.cache_ttl)
            return None
        now = datetime.now(UTC)
        return TaskResult(
            run=order.run,
            task=order.task,
            element=order.element,
            attempt=order.attempt,
            worker=CACHE,
            output=_JSON.validate_json(found.value),
            cached=True,
            handler_version=version,
            started_at=now,
            ended_at=now,
        )
