"""Running queries in threads, together when they have waited."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio
from sightwire_searcher.query_executor import QueryExecutor

from sightwire.errors import OverloadedError, UnavailableError
from tests.plugin.waiting import wait_until

Executor = QueryExecutor[str, str]


class Gate:
    """A batch runner that waits to be let through, and remembers what it ran."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.batches: list[list[str]] = []

    def run(self, jobs: Sequence[str]) -> list[str]:
        self.batches.append(list(jobs))
        assert self.open.wait(10)
        return [job.upper() for job in jobs]


@pytest_asyncio.fixture(loop_scope="session")
async def executor() -> AsyncIterator[Executor]:
    executor = Executor(threads=1, max_queued=5, max_batch=3)
    yield executor
    await asyncio.to_thread(executor.close)


async def submitted(executor: Executor, gate: Gate, *jobs: str, key: str | None = "k") -> list[asyncio.Task[str]]:
    """Tasks that have all reached the executor, the first of them running."""
    tasks = [asyncio.create_task(executor.submit(job, gate.run, key=key)) for job in jobs]
    await wait_until(lambda: gate.batches)
    return tasks


async def test_what_queued_while_a_thread_was_busy_runs_together(executor: Executor) -> None:
    gate = Gate()
    tasks = await submitted(executor, gate, "a", "b", "c", "d", "e")
    assert executor.queued == 4
    gate.open.set()
    assert await asyncio.gather(*tasks) == ["A", "B", "C", "D", "E"]
    assert gate.batches == [["a"], ["b", "c", "d"], ["e"]]
    assert executor.queued == 0


async def test_only_equal_keys_run_together_and_the_oldest_first(executor: Executor) -> None:
    gate = Gate()
    first = await submitted(executor, gate, "a")
    others = [
        asyncio.create_task(executor.submit(job, gate.run, key=key))
        for job, key in [("b", "x"), ("c", None), ("d", "x"), ("e", None)]
    ]
    await wait_until(lambda: executor.queued == 4)
    gate.open.set()
    await asyncio.gather(*first, *others)
    assert gate.batches == [["a"], ["b", "d"], ["c"], ["e"]]


async def test_too_many_waiting_are_refused(executor: Executor) -> None:
    gate = Gate()
    tasks = await submitted(executor, gate, *"abcdef")
    with pytest.raises(OverloadedError, match="5 queries are waiting"):
        await executor.submit("g", gate.run, key="k")
    gate.open.set()
    assert len(await asyncio.gather(*tasks)) == 6


async def test_a_caller_who_left_is_not_searched_for(executor: Executor) -> None:
    gate = Gate()
    tasks = await submitted(executor, gate, "a", "b", "c")
    tasks[1].cancel()
    await asyncio.wait([tasks[1]])
    gate.open.set()
    assert await asyncio.gather(tasks[0], tasks[2]) == ["A", "C"]
    assert gate.batches == [["a"], ["c"]]


async def test_an_error_reaches_every_caller_of_the_batch(executor: Executor) -> None:
    def fail(_jobs: Sequence[str]) -> list[str]:
        raise UnavailableError("no")

    with pytest.raises(UnavailableError, match="no"):
        await executor.submit("a", fail)
    gate = Gate()
    gate.open.set()
    assert await executor.submit("b", gate.run) == "B"


async def test_a_closed_executor_refuses() -> None:
    executor = Executor(threads=2, max_queued=5, max_batch=3)
    executor.close()
    with pytest.raises(UnavailableError, match="stopping"):
        await executor.submit("a", lambda jobs: list(jobs))
