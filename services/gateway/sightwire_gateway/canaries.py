"""Canaries: a share of a collection's queries is answered by its shadow, and each of them is compared."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, Self

from nats.errors import Error as NatsError

from sightwire.bus.connection import Bus
from sightwire.contracts import subjects
from sightwire.contracts.migrations import CanaryObservation
from sightwire.ending_tasks import end_tasks
from sightwire.errors import SightwireError
from sightwire_gateway import metrics
from sightwire_gateway.index_search import IndexAnswer
from sightwire_gateway.query_ids import query_id

logger = logging.getLogger(__name__)

_COMPARED_RESULTS: Final = 10


@dataclass(frozen=True, slots=True)
class CanaryQuery:
    """A query of the share, and how to ask both indexes."""

    #: As users name it.
    collection: str
    shadow: str
    query: str
    ask_index: Callable[[], Awaitable[IndexAnswer]]
    ask_shadow: Callable[[], Awaitable[IndexAnswer]]


@dataclass(frozen=True, slots=True)
class _Timed:
    answer: IndexAnswer
    seconds: float


class Canaries:
    """Answers queries of the share. Use as an async context manager: leaving ends comparisons that still run.

    Args:
        bus: where observations go; nobody waits for them.
        shadow_seconds: how long a shadow has for an answer.
        max_in_flight: queries that may be asked twice at once; further ones take no part.
    """

    def __init__(self, bus: Bus, *, shadow_seconds: float, max_in_flight: int) -> None:
        self._bus = bus
        #: Of the queries from now on; both may be replaced.
        self.shadow_seconds = shadow_seconds
        self.max_in_flight = max_in_flight
        self._comparisons: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        await end_tasks(*self._comparisons)

    async def answer(self, query: CanaryQuery) -> IndexAnswer:
        """The shadow's answer, or that of the index so far if the shadow fails, is slow, or too much is going on.

        Raises:
            SightwireError: that of the index so far, when the shadow has no answer either.
        """
        outcomes = metrics.CANARY_QUERIES
        if len(self._comparisons) >= self.max_in_flight:
            outcomes.labels(query.collection, "left out").inc()
            return await query.ask_index()
        of_index = asyncio.create_task(_timed(query.ask_index))
        of_shadow = asyncio.create_task(self._in_time(query.ask_shadow))
        comparison = asyncio.create_task(self._compare(query, of_index, of_shadow))
        self._comparisons.add(comparison)
        comparison.add_done_callback(self._comparisons.discard)
        # The comparison needs both: neither may end because the caller has left.
        await asyncio.wait({of_shadow})
        if _failure(of_shadow) is None:
            outcomes.labels(query.collection, "shadow").inc()
            return of_shadow.result().answer
        outcomes.labels(query.collection, "shadow failed").inc()
        await asyncio.wait({of_index})
        return of_index.result().answer

    async def _in_time(self, ask: Callable[[], Awaitable[IndexAnswer]]) -> _Timed:
        async with asyncio.timeout(self.shadow_seconds):
            return await _timed(ask)

    async def _compare(
        self, query: CanaryQuery, of_index: "asyncio.Task[_Timed]", of_shadow: "asyncio.Task[_Timed]"
    ) -> None:
        started = time.perf_counter()
        try:
            await asyncio.wait({of_shadow})
            waited = time.perf_counter() - started
            await asyncio.wait({of_index})
        finally:
            await end_tasks(of_index, of_shadow)
        shadow_failure = _failure(of_shadow)
        if shadow_failure is not None:
            logger.warning(
                "a canary's shadow did not answer", extra={"collection": query.collection, "error": shadow_failure}
            )
        if _failure(of_index) is not None:
            # Nothing to compare with.
            return
        expected = of_index.result()
        found = of_shadow.result() if shadow_failure is None else None
        await self._publish(
            CanaryObservation(
                collection=query.collection,
                shadow=query.shadow,
                query=query_id(query.query, answered_by_shadow=found is not None),
                answered_by_shadow=found is not None,
                overlap=overlap(_ids(expected), _ids(found)) if found is not None else 0.0,
                seconds=expected.seconds,
                shadow_seconds=found.seconds if found is not None else waited,
                shadow_error=shadow_failure,
                observed_at=datetime.now(UTC),
            )
        )

    async def _publish(self, observation: CanaryObservation) -> None:
        try:
            await self._bus.client.publish(
                subjects.canary(observation.collection), observation.model_dump_json().encode()
            )
        except NatsError as error:
            logger.info("an observation is lost", extra={"collection": observation.collection, "error": repr(error)})


def overlap(ids: Sequence[str], others: Sequence[str]) -> float:
    """Share of the first results, at most ten, that both have; of two empty answers 1."""
    first, second = set(ids[:_COMPARED_RESULTS]), set(others[:_COMPARED_RESULTS])
    return len(first & second) / max(len(first), len(second)) if first or second else 1.0


async def _timed(ask: Callable[[], Awaitable[IndexAnswer]]) -> _Timed:
    started = time.perf_counter()
    answer = await ask()
    return _Timed(answer, time.perf_counter() - started)


def _failure(attempt: "asyncio.Task[_Timed]") -> str | None:
    """Why a finished attempt has no answer."""
    if attempt.cancelled():
        return "it was not waited for"
    error = attempt.exception()
    if error is None:
        return None
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    return error.detail if isinstance(error, SightwireError) else f"{type(error).__name__}: {error}"


def _ids(timed: _Timed) -> list[str]:
    return [hit.item_id for hit in timed.answer.response.hits]
