"""What a worker answers to an order."""

import socket
from datetime import UTC, datetime
from os import getpid
from typing import Final

from pydantic import JsonValue

from sightwire.bus.connection import Bus
from sightwire.bus.headers import event_headers
from sightwire.contracts import subjects
from sightwire.contracts.pipelines import TaskError, TaskOrder, TaskResult, attempt_id
from sightwire_orchestrator.message_sizes import largest_payload
from sightwire_orchestrator.tasks.errors import task_error

OUTPUT_TOO_LARGE: Final = "output-too-large"
#: Short, as it may be told again at once: a server that was killed confirms nothing, and its successor waits for it.
_CONFIRMATION_SECONDS: Final = 3.0


def worker_name() -> str:
    """Names this process among workers."""
    return f"{socket.gethostname()}-{getpid()}"


def success(
    order: TaskOrder, output: JsonValue, *, worker: str, started_at: datetime, handler_version: str = ""
) -> TaskResult:
    """The result of an attempt that succeeded."""
    return TaskResult(
        run=order.run,
        task=order.task,
        element=order.element,
        attempt=order.attempt,
        worker=worker,
        output=output,
        handler_version=handler_version,
        started_at=started_at,
        ended_at=datetime.now(UTC),
    )


def failure(order: TaskOrder, error: Exception | TaskError, *, worker: str, started_at: datetime) -> TaskResult:
    """The result of an attempt that ended with `error`."""
    said = error if isinstance(error, TaskError) else task_error(error)
    return success(order, None, worker=worker, started_at=started_at).model_copy(update={"error": said})


async def publish_result(bus: Bus, order: TaskOrder, result: TaskResult) -> None:
    """Stores a result for the orchestrator; told twice it is stored once. An output that is too large is a failure.

    Raises:
        UnavailableError: the bus did not confirm that it is stored.
    """
    payload = result.model_dump_json().encode()
    largest = largest_payload(bus)
    if len(payload) > largest:
        detail = (
            f"the output has {len(payload):,} bytes as JSON, and a message takes {largest:,}; "
            "put large results into the blob store, and return where they are"
        )
        result = failure(
            order, TaskError(code=OUTPUT_TOO_LARGE, detail=detail), worker=result.worker, started_at=result.started_at
        )
        payload = result.model_dump_json().encode()
    headers = event_headers(
        event_type="sightwire.task.result",
        source="worker",
        subject=result.run,
        message_id=f"{attempt_id(result)}.result",
    )
    await bus.publish(subjects.task_result(result.run), payload, headers, seconds=_CONFIRMATION_SECONDS)
