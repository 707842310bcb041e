"""Work in a process of its own, so that whatever else a benchmark does cannot make it late."""

import asyncio
import multiprocessing
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Generic, TypeVar

from sightwire.platform.parent_death import end_with_parent

Task = TypeVar("Task")
Result = TypeVar("Result")

#: Works on its task until the event is set, and calls the function once when it begins.
Work = Callable[[Task, asyncio.Event, Callable[[], None]], Coroutine[Any, Any, Result]]


@dataclass(slots=True)
class Outcome(Generic[Result]):
    """What work came to; None until it has ended."""

    result: Result | None = None


@asynccontextmanager
async def in_own_process(work: Work[Task, Result], task: Task) -> AsyncIterator[Outcome[Result]]:
    """Lets a function of a module work until the context is left; then its result is there.

    Raises:
        EOFError: the process that works has failed, and said why on stderr.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_work_until_told, args=(os.getpid(), there, work, task), daemon=True)
    process.start()
    there.close()
    outcome: Outcome[Result] = Outcome()
    try:
        await asyncio.to_thread(here.recv)
        yield outcome
        here.send(None)
        outcome.result = await asyncio.to_thread(here.recv)
    finally:
        process.kill()
        process.join()
        here.close()


def _work_until_told(parent: int, connection: Connection, work: Work[Task, Result], task: Task) -> None:
    """The process that works: says once that it begins, and its result when it has been told to end."""
    end_with_parent(parent)
    connection.send(asyncio.run(_work(connection, work, task)))


async def _work(connection: Connection, work: Work[Task, Result], task: Task) -> Result:
    told = asyncio.Event()
    asyncio.get_running_loop().add_reader(connection.fileno(), told.set)
    return await work(task, told, lambda: connection.send(None))
