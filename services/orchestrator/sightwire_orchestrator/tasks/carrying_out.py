"""One attempt of a task, from its parameters to its output, within its time."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from pydantic import JsonValue, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, to_jsonable_python

from sightwire.ending_tasks import end_tasks
from sightwire_orchestrator.tasks.context import TaskContext
from sightwire_orchestrator.tasks.errors import BadOutputError, TaskCancelledError

#: How long a cancelled handler has for its `finally`.
CLEANUP_SECONDS: Final = 10.0
_JSON: Final[TypeAdapter[JsonValue]] = TypeAdapter(JsonValue)


async def carry_out(context: TaskContext, parameters: Mapping[str, JsonValue]) -> JsonValue:
    """The output of an attempt. `sightwire_orchestrator.tasks.errors.task_error` says what its errors mean.

    Raises:
        UnknownTaskTypeError: no handler here takes the task's type.
        InvalidParametersError: the parameters do not fit the type.
        TaskTimeoutError: the deadline passed; a handler that is a coroutine was cancelled, one in a thread left alone.
        TaskCancelledError: `context.cancelled` was set; likewise.
        BadOutputError: the output is no JSON value.
        Exception: whatever the handler raises.
    """
    found = context.handlers.get(context.type)
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()

    def end(_working: "asyncio.Task[Any] | None" = None) -> None:
        if not over.done():
            over.set_result(None)

    working = loop.create_task(found.call(context, parameters), name=f"task {context.run}.{context.task}")
    working.add_done_callback(end)
    late = loop.call_later(max(context.seconds_left, 0.0), end)
    context.cancelled.listen(end)
    try:
        await over
        if working.cancelled():
            # It must not look like the cancellation of whoever waits here.
            raise TaskCancelledError(f"the handler of {context.type!r} cancelled itself")
        if working.done():
            return json_value(working.result(), task_type=context.type)
        if context.cancelled.is_set():
            context.raise_if_cancelled()
        # So that a handler in a thread notices, and one that ends now knows that nobody takes its work up again.
        context.cancelled.set()
        raise context.timeout_error()
    finally:
        late.cancel()
        context.cancelled.leave()
        await _end(working)


async def _end(working: "asyncio.Task[Any]") -> None:
    """Cancels once and leaves time for what a handler has to undo, such as to cancel what it began elsewhere."""
    if not working.done():
        working.cancel()
        await asyncio.wait({working}, timeout=CLEANUP_SECONDS)
    await end_tasks(working)


def json_value(output: Any, *, task_type: str) -> JsonValue:
    """A handler's output as JSON: models and dataclasses become objects, times and paths text.

    Raises:
        BadOutputError: it cannot be.
    """
    try:
        return _JSON.validate_python(to_jsonable_python(output, inf_nan_mode="constants"))
    except (PydanticSerializationError, ValidationError, ValueError) as error:
        raise BadOutputError(f"the handler of {task_type!r} returned what is no JSON value: {error}") from None
