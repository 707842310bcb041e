"""Sends orders to workers, and tells them of attempts that nobody waits for any longer."""

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from nats.errors import Error as NatsError
from nats.js.errors import APIError, NotFoundError

from sightwire.bus.connection import Bus, OutgoingMessage
from sightwire.bus.headers import MESSAGE_ID, event_headers
from sightwire.contracts import subjects
from sightwire.contracts.pipelines import AttemptAbandoned, TaskError, TaskOrder, TaskResult, attempt_id
from sightwire.contracts.streams import TASKS
from sightwire.errors import UnavailableError
from sightwire.telemetry.tracing import TRACEPARENT
from sightwire_orchestrator.execution.patience import patiently
from sightwire_orchestrator.message_sizes import largest_payload

logger = logging.getLogger(__name__)

ORDER_TOO_LARGE: Final = "order-too-large"
#: A bound on messages whose acknowledgements are waited for at once.
_MOST_TOGETHER: Final = 1000
_ORCHESTRATOR: Final = "orchestrator"


class OrderDesk:
    """Orders of one term."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        #: Where the orders of attempts are in the stream, as far as this is known.
        self._sequences: dict[str, int] = {}

    async def read_queue(self) -> None:
        """Learns which orders are in the queue, those among them that workers carry out now.

        Raises:
            UnavailableError: the bus does not answer.
        """
        sequence = 0
        while True:
            try:
                message = await self._bus.jetstream.get_msg(
                    TASKS.name, seq=sequence + 1, next=True, subject=subjects.TASKS_ALL, direct=True
                )
            except NotFoundError:
                return
            except (NatsError, APIError, TimeoutError) as error:
                raise UnavailableError(f"the bus does not say which tasks are ordered: {error!r}; try again") from error
            sequence = message.seq or 0
            attempt = (message.headers or {}).get(MESSAGE_ID)
            if attempt is not None:
                self._sequences[attempt] = sequence

    def is_queued(self, order: TaskOrder) -> bool:
        """Whether the order was in the queue when that was read, or was sent since."""
        return attempt_id(order) in self._sequences

    async def send(self, orders: Sequence[TaskOrder], *, traceparent: str = "") -> tuple[TaskResult, ...]:
        """Sends orders, once each however often they are sent within minutes; waits for a bus that is away.

        Args:
            traceparent: what their attempts follow in traces.

        Returns:
            Results of those that cannot be sent.
        """
        refused: list[TaskResult] = []
        messages: dict[str, OutgoingMessage] = {}
        largest = largest_payload(self._bus)
        for order in orders:
            payload = order.model_dump_json().encode()
            if len(payload) > largest:
                refused.append(_too_large(order, len(payload), largest))
            else:
                messages[attempt_id(order)] = _message(order, payload, traceparent)
        attempts = list(messages)
        for start in range(0, len(attempts), _MOST_TOGETHER):
            together = attempts[start : start + _MOST_TOGETHER]
            await self._publish({attempt: messages[attempt] for attempt in together})
        return tuple(refused)

    async def _publish(self, messages: Mapping[str, OutgoingMessage]) -> None:
        stored = await patiently(lambda: self._bus.publish_all(list(messages.values())), what="order tasks")
        self._sequences.update(
            (attempt, acknowledged.seq) for attempt, acknowledged in zip(messages, stored, strict=True)
        )

    def forget(self, result: TaskResult) -> None:
        """An attempt has ended."""
        self._sequences.pop(attempt_id(result), None)

    async def abandon(self, attempt: AttemptAbandoned) -> None:
        """Takes an order out of the queue, and tells the worker that may have it. A lost word costs work, no more."""
        try:
            await self._bus.client.publish(subjects.CONTROL_WORKERS, attempt.model_dump_json().encode())
            sequence = self._sequences.pop(attempt_id(attempt), None)
            if sequence is not None:
                await self._bus.jetstream.delete_msg(TASKS.name, sequence)
        except NotFoundError:
            return  # a worker has answered it
        except (NatsError, APIError, TimeoutError) as error:
            logger.warning(
                "an attempt goes on that nobody waits for", extra={"attempt": attempt_id(attempt), "error": repr(error)}
            )


def _message(order: TaskOrder, payload: bytes, traceparent: str) -> OutgoingMessage:
    headers = event_headers(
        event_type="sightwire.task.ordered", source=_ORCHESTRATOR, subject=order.run, message_id=attempt_id(order)
    )
    if traceparent:
        headers[TRACEPARENT] = traceparent
    return OutgoingMessage(subjects.tasks(order.type), payload, headers)


def _too_large(order: TaskOrder, size: int, largest: int) -> TaskResult:
    detail = (
        f"parameters of task {order.task!r} have {size:,} bytes as JSON, and a message takes {largest:,}; "
        "refer to smaller parts of outputs, or pass where they are"
    )
    return TaskResult(
        run=order.run,
        task=order.task,
        element=order.element,
        attempt=order.attempt,
        worker=_ORCHESTRATOR,
        error=TaskError(code=ORDER_TOO_LARGE, detail=detail),
        started_at=datetime.now(UTC),
    )
