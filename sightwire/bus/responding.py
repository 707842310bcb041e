"""Answers requests on a bus subject with JSON: the other end of `sightwire.bus.control`."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Generic, TypeVar

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from pydantic import TypeAdapter, ValidationError

from sightwire.bus.connection import Bus
from sightwire.contracts.control import ControlReply
from sightwire.ending_tasks import end_tasks
from sightwire.errors import InvalidInputError, SightwireError, TooLargeError, kinds_of
from sightwire.telemetry.tracing import TRACEPARENT, continuing

logger = logging.getLogger(__name__)

Request = TypeVar("Request")


class Responder(Generic[Request]):
    """Call `run` once, or enter `answering` once.

    Requests are answered side by side; one without a reply subject is carried out as well.

    Args:
        requests: what can be asked.
        answer: carries a request out; what it returns is the answer.
        queue: queue group, of which one member gets each request; none: every subscriber gets all.
    """

    def __init__(
        self,
        bus: Bus,
        subject: str,
        requests: TypeAdapter[Request],
        answer: Callable[[Request], Awaitable[Any]],
        *,
        queue: str = "",
    ) -> None:
        self._bus = bus
        self._subject = subject
        self._requests = requests
        self._answer = answer
        self._queue = queue
        self._answering: set[asyncio.Task[None]] = set()
        self._subscription: Subscription | None = None

    async def run(self) -> None:
        """Answers until cancelled; what is being answered then is given up."""
        async with self.answering():
            await asyncio.get_running_loop().create_future()

    @asynccontextmanager
    async def answering(self) -> AsyncIterator[None]:
        """Answers from the beginning of the block to its end; what is being answered then is given up."""
        self._subscription = await self._bus.client.subscribe(self._subject, queue=self._queue, cb=self._begin)
        try:
            yield
        finally:
            # While the bus is away there is nothing to give back: the subscription ends with the connection.
            with suppress(NatsError):
                await self._subscription.unsubscribe()
            await end_tasks(*self._answering)

    async def finish(self, *, seconds: float) -> None:
        """Takes no more requests, and returns when those that came are answered; before the block of `answering` ends.

        Args:
            seconds: how long that may take.
        """
        assert self._subscription is not None, "nothing is being answered"
        with suppress(NatsError, TimeoutError):
            async with asyncio.timeout(seconds):
                await self._subscription.drain()  # type: ignore[no-untyped-call]
                await asyncio.gather(*self._answering)

    async def _begin(self, message: Msg) -> None:
        task = asyncio.create_task(self._respond(message))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _respond(self, message: Msg) -> None:
        with continuing((message.headers or {}).get(TRACEPARENT)):
            reply = await self._reply_to(message.data)
        if reply.error is not None:
            logger.info("refused a request", extra={"subject": self._subject, "error": reply.error})
        if not message.reply:
            return
        data = reply.model_dump_json().encode()
        if len(data) > self._bus.client.max_payload:
            data = _too_large(len(data), self._bus.client.max_payload).model_dump_json().encode()
        try:
            await self._bus.client.publish(message.reply, data)
        except NatsError as error:
            logger.warning("an answer was lost", extra={"subject": self._subject, "error": repr(error)})

    async def _reply_to(self, data: bytes) -> ControlReply:
        try:
            return ControlReply(answer=await self._answer(self._parse(data)))
        except SightwireError as error:
            return ControlReply(error_code=error.code, error_kinds=kinds_of(error)[1:], error=error.detail)
        except Exception:
            logger.exception("a request failed", extra={"subject": self._subject})
            return ControlReply(
                error_code=SightwireError.code,
                error="internal error; the log of the service that answered has the details",
            )

    def _parse(self, data: bytes) -> Request:
        try:
            return self._requests.validate_json(data)
        except ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(map(str, item['loc'])) or 'request'}: {item['msg']}" for item in error.errors()
            )
            raise InvalidInputError(f"not a request that {self._subject!r} answers: {problems}") from None


def _too_large(length: int, most: int) -> ControlReply:
    detail = f"the answer has {length} bytes, and a message may have {most}; ask for less"
    return ControlReply(error_code=TooLargeError.code, error=detail)
