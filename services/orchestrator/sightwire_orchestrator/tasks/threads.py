"""Functions that block, in threads of their own."""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from typing import Any, TypeVar

Result = TypeVar("Result")


async def in_own_thread(function: Callable[..., Result], *arguments: Any, name: str) -> Result:
    """What `function` returns. Cancelled, it waits no longer, and the thread runs on.

    Not `asyncio.to_thread`: handlers that hang would use its few threads up, which name resolution needs as well, and
    would keep the process from ending.
    """
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[Result] = loop.create_future()
    variables = contextvars.copy_context()

    def settle(result: Result | None, error: BaseException | None) -> None:
        if outcome.done():
            return
        if error is not None:
            outcome.set_exception(error)
        else:
            outcome.set_result(result)  # type: ignore[arg-type]  # None is the result, or there is an error

    def work() -> None:
        result: Result | None = None
        failure: BaseException | None = None
        try:
            result = variables.run(function, *arguments)
        except StopIteration as error:
            # A future cannot carry it.
            failure = RuntimeError(f"StopIteration: {error}")
        except BaseException as error:
            failure = error
        try:
            loop.call_soon_threadsafe(settle, result, failure)
        except RuntimeError:
            # The loop was closed meanwhile: nobody waits any more.
            return

    threading.Thread(target=work, name=name, daemon=True).start()
    return await outcome
