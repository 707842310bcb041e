"""The shared level while its server may come and go: nothing here raises for a server that does not answer.

The server is used only while this process hears its invalidations. One task keeps that subscription; when it breaks, or
any call fails, the link is down until the task has subscribed again, sent the invalidations that could not be sent, and
told the owner to forget what it may have missed.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar

from redis.asyncio.client import PubSub
from redis.exceptions import ReadOnlyError, RedisError, ResponseError

from sightwire.cache.invalidation_log import Invalidation
from sightwire.cache.process_counts import ProcessCounts
from sightwire.cache.server_answers import HEALTHY, Found, Missed
from sightwire.cache.server_client import MAX_CALLS, CacheServerClient
from sightwire.ending_tasks import end_tasks

log = logging.getLogger(__name__)

Result = TypeVar("Result")

#: What a server that is not there looks like; RuntimeError: uvloop's for a transport that was closed under the client.
_FAILURES: Final = (RedisError, OSError, RuntimeError)

_HEARTBEAT_SECONDS: Final = 1.0
#: Long enough for an answer that has arrived to be read, even if this process was busy until the heartbeat was due.
_LEAST_WAIT_SECONDS: Final = 0.05
_FIRST_PAUSE_SECONDS: Final = 0.05
_LONGEST_PAUSE_SECONDS: Final = 2.0
#: More than so many that could not be sent are sent as one that concerns everything.
_MOST_PENDING: Final = 1000


class ServerLink:
    """One namespace of one server.

    `forget` is called with what other processes invalidated, and with everything after each connection.
    """

    def __init__(
        self,
        client: CacheServerClient,
        counts: ProcessCounts,
        forget: Callable[[Invalidation], None],
        timeout_seconds: float,
    ) -> None:
        self._client = client
        self._counts = counts
        self._forget = forget
        self._timeout_seconds = timeout_seconds
        self._is_up = False
        self._problem = "not connected yet"
        #: What the server said to the last call when it answered with an error, such as being out of memory.
        self._refusal: str | None = None
        self._pending: list[Invalidation] = []
        self._was_up = asyncio.Event()
        self._slots = asyncio.Semaphore(MAX_CALLS)
        self._sending = asyncio.Lock()
        self._keeper: asyncio.Task[None] | None = None
        self._reporting = asyncio.Lock()

    @property
    def health(self) -> str:
        """`healthy`, or `unhealthy: ` and why; the cache answers either way."""
        if not self._is_up:
            return f"unhealthy: {self._problem}; every process caches by itself"
        return HEALTHY if self._refusal is None else f"unhealthy: {self._refusal}"

    async def start(self) -> None:
        """Connects; returns after a moment even if the server does not answer, and goes on trying."""
        self._keeper = asyncio.create_task(self._keep(), name="cache-server-link")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2 * self._timeout_seconds):
                await self._was_up.wait()

    async def close(self) -> None:
        """Reports the last counts and closes every connection."""
        await self.report()
        if self._keeper is not None:
            await end_tasks(self._keeper)
        self._is_up = False
        self._problem = "closed"
        with contextlib.suppress(*_FAILURES):
            await self._client.close()

    async def look_up(
        self, key: str, tags: Sequence[str] = (), *, lock_ms: int = 0, counted: bool = True
    ) -> Found | Missed | None:
        """As the client's; None when the server does not answer."""
        return await self._call_in_turn(lambda: self._client.look_up(key, tags, lock_ms=lock_ms, counted=counted))

    async def store(
        self, key: str, envelope: bytes, ttl_seconds: float, tags: Sequence[str], missed: Missed | None
    ) -> bool | None:
        """As the client's; None when the server does not answer."""
        return await self._call_in_turn(lambda: self._client.store(key, envelope, ttl_seconds, tags, missed))

    async def release(self, key: str, missed: Missed) -> None:
        """Lets another process compute `key` at once rather than when the lock has expired."""
        await self._call_in_turn(lambda: self._client.release(key, missed.token))

    async def discard(self, key: str) -> None:
        """Deletes an entry that cannot be read."""
        await self._call_in_turn(lambda: self._client.discard(key))

    async def invalidate(self, invalidation: Invalidation) -> None:
        """Deletes entries in the server and in other processes; as soon as the server answers, if it does not now."""
        # Noted before it is sent: it is neither lost when the call fails nor when the caller is cancelled.
        self._pending.append(invalidation)
        if len(self._pending) > _MOST_PENDING:
            self._pending = [Invalidation(everything=True)]
        async with self._sending:
            await self._call(self._send_pending)

    async def report(self) -> dict[str, int] | None:
        """Adds what this process counted; the counts of all processes, or None when the server does not answer."""
        async with self._reporting:
            return await self._call(self._send_report)

    async def _call_in_turn(self, act: Callable[[], Awaitable[Result]]) -> Result | None:
        """Waits while many calls are under way; who waits too long goes without, which is no fault of the server."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await self._slots.acquire()
        except TimeoutError:
            return None
        try:
            return await self._call(act)
        finally:
            self._slots.release()

    async def _call(self, act: Callable[[], Awaitable[Result]]) -> Result | None:
        if not self._is_up:
            return None
        try:
            async with asyncio.timeout(self._timeout_seconds):
                result = await act()
        except _FAILURES as error:
            # An answer, if a bad one, says that the connection is good; a server that became a replica is of no use.
            if isinstance(error, ResponseError) and not isinstance(error, ReadOnlyError):
                self._refuse(error)
            else:
                self._lose(error)
            return None
        self._refusal = None
        return result

    def _refuse(self, error: ResponseError) -> None:
        if self._refusal is None:
            log.warning("the cache server refuses: %s", error)
        self._refusal = str(error)

    def _lose(self, error: Exception) -> None:
        problem = str(error) or f"no answer in {self._timeout_seconds:g} s"
        if self._is_up or problem != self._problem:
            log.warning("the cache server does not answer, every process caches by itself: %s", problem)
        self._is_up = False
        self._problem = problem

    async def _send_pending(self) -> None:
        while self._pending:
            invalidation = self._pending[0]
            await self._client.invalidate(invalidation)
            self._pending = [waiting for waiting in self._pending if waiting is not invalidation]

    async def _send_report(self) -> dict[str, int]:
        report = self._counts.next_report()
        counts = await self._client.report(report.number, report.increments)
        self._counts.arrived(report)
        return counts

    async def _keep(self) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                async with contextlib.aclosing(self._client.subscription()) as subscription:
                    await self._connect(subscription)
                    pause = _FIRST_PAUSE_SECONDS
                    await self._follow(subscription)
            except (*_FAILURES, ValueError) as error:
                self._lose(error)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  spreads processes, guards nothing
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    async def _connect(self, subscription: PubSub) -> None:
        await self._client.drop_idle_connections()
        await subscription.subscribe(self._client.channel)
        if await subscription.get_message(timeout=self._timeout_seconds) is None:
            raise TimeoutError("no answer to the subscription")
        async with self._sending:
            await self._send_pending()
        # Other processes may have invalidated anything while nobody listened here.
        self._forget(Invalidation(everything=True))
        self._is_up = True
        self._was_up.set()
        log.info("the cache server answers")

    async def _follow(self, subscription: PubSub) -> None:
        """Passes on what comes while the link is up; at each heartbeat asks whether the server lives, and reports."""
        now = asyncio.get_running_loop().time
        next_beat = now() + _HEARTBEAT_SECONDS
        has_answered = True
        while self._is_up:
            message = await subscription.get_message(timeout=max(_LEAST_WAIT_SECONDS, next_beat - now()))
            if message is not None:
                has_answered = True
                self._pass_on(message)
            if now() < next_beat:
                continue
            if not has_answered:
                raise TimeoutError(f"no answer in {_HEARTBEAT_SECONDS:g} s")
            has_answered = False
            next_beat = now() + _HEARTBEAT_SECONDS
            await subscription.ping()
            async with self._sending:
                await self._call(self._send_pending)
            await self.report()

    def _pass_on(self, message: dict[str, Any]) -> None:
        if message["type"] != "message":
            return
        invalidation = self._client.invalidation_of(message["data"])
        if invalidation is not None:
            self._forget(invalidation)
