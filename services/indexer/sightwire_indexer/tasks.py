"""Tasks that live and end together.

`asyncio.TaskGroup` cancels a task once. Before Python 3.12 `asyncio.wait_for`, which the bus's client is full of, can
lose that cancellation when its result arrives at the same moment, and the group would wait for ever. Here tasks are
cancelled until they end.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from sightwire.ending_tasks import end_tasks

Result = TypeVar("Result")


async def run_with_company(main: Coroutine[Any, Any, object], *company: Coroutine[Any, Any, object]) -> None:
    """Runs `main` to its end and the others beside it, as long as they last; the first failure ends them all.

    Raises:
        Exception: what failed, of `main` or of its company; a group if several did.
    """
    main_task = asyncio.ensure_future(main)
    tasks = [main_task, *map(asyncio.ensure_future, company)]
    try:
        running = set(tasks)
        while not main_task.done():
            finished, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            if any(_failure(task) is not None for task in finished):
                break
    finally:
        await end_tasks(*tasks)
    failures = [failure for task in tasks if (failure := _failure(task)) is not None]
    if len(failures) == 1:
        raise failures[0]
    if failures:
        raise BaseExceptionGroup("several tasks failed", failures)


async def finished_regardless(work: Coroutine[Any, Any, Result], *, grace_seconds: float) -> Result:
    """The result of `work`, which is not interrupted when the caller is cancelled; the cancellation is forgotten then.

    Args:
        grace_seconds: how long it may go on after that; then it is cancelled as well.
    """
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    deadline: float | None = None
    while not task.done():
        seconds_left = None if deadline is None else max(0.0, deadline - loop.time())
        try:
            await asyncio.wait({task}, timeout=seconds_left)
        except asyncio.CancelledError:
            deadline = loop.time() + grace_seconds if deadline is None else deadline
        if deadline is not None and loop.time() >= deadline:
            await end_tasks(task)
    return task.result()


def _failure(task: "asyncio.Task[Any]") -> BaseException | None:
    return None if not task.done() or task.cancelled() else task.exception()
