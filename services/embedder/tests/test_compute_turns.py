"""Who may compute: queries before ingest, ingest never starved, re-embedding when there is room."""

import asyncio
import threading

import pytest
from sightwire_embedder.batching.turns import ComputeTurns, Priority, next_turn

QUERY, INGEST, REEMBED = Priority


@pytest.mark.parametrize(
    ("running", "waiting", "expected"),
    [
        pytest.param((0, 0, 0), [], None, id="nobody waits"),
        pytest.param((0, 0, 0), [QUERY, INGEST, REEMBED], QUERY, id="queries first"),
        pytest.param((0, 0, 0), [INGEST, REEMBED], INGEST, id="ingest when no query waits"),
        pytest.param((0, 0, 0), [REEMBED], REEMBED, id="re-embedding when nobody else waits"),
        pytest.param((0, 2, 0), [INGEST, REEMBED], None, id="ingest has its two threads"),
        pytest.param((0, 1, 1), [INGEST, REEMBED], None, id="which it shares with re-embedding"),
        pytest.param((0, 1, 0), [REEMBED], REEMBED, id="re-embedding takes the thread that ingest leaves"),
        pytest.param((0, 0, 2), [QUERY, INGEST], QUERY, id="a query starts beside re-embedding"),
        pytest.param((0, 2, 0), [QUERY, INGEST], QUERY, id="a query starts beside ingest"),
        pytest.param((1, 2, 0), [QUERY, INGEST], None, id="all threads are busy"),
        pytest.param((2, 0, 0), [QUERY, INGEST], INGEST, id="the last thread is kept for ingest that waits"),
        pytest.param((2, 0, 0), [QUERY], QUERY, id="and is the queries' when none does"),
        pytest.param((2, 0, 0), [QUERY, REEMBED], QUERY, id="nothing is kept for re-embedding"),
        pytest.param((1, 1, 0), [QUERY, INGEST], QUERY, id="ingest runs already, so the last is the queries'"),
    ],
)
def test_next_turn_of_two_workers(running, waiting, expected):
    assert next_turn(2, running=dict(zip(Priority, running, strict=True)), waiting=waiting) is expected


async def test_a_query_runs_while_ingest_holds_every_worker():
    release = threading.Event()
    async with ComputeTurns(workers=1) as turns:
        ingest = asyncio.create_task(turns.run(INGEST, release.wait))
        behind = asyncio.create_task(turns.run(INGEST, lambda: "second"))
        async with asyncio.timeout(5):
            assert await turns.run(QUERY, lambda: "answer") == "answer"
        assert not ingest.done()
        assert not behind.done(), "one worker runs one ingest call"
        release.set()
        assert await behind == "second"
        assert await ingest


async def test_queries_without_end_leave_ingest_a_thread():
    release = threading.Event()
    async with ComputeTurns(workers=1) as turns:
        queries = [asyncio.create_task(turns.run(QUERY, release.wait)) for _ in range(10)]
        ingest = asyncio.create_task(turns.run(INGEST, lambda: "done"))
        async with asyncio.timeout(5):
            assert await ingest == "done"
        release.set()
        await asyncio.gather(*queries)


async def test_work_that_was_cancelled_while_waiting_never_runs():
    release = threading.Event()
    ran: list[str] = []
    async with ComputeTurns(workers=1) as turns:
        first = asyncio.create_task(turns.run(INGEST, release.wait))
        second = asyncio.create_task(turns.run(INGEST, lambda: ran.append("second")))
        third = asyncio.create_task(turns.run(INGEST, lambda: ran.append("third")))
        await asyncio.sleep(0)
        second.cancel()
        release.set()
        await asyncio.gather(first, second, third, return_exceptions=True)
    assert ran == ["third"]


async def test_errors_reach_the_caller():
    def fail() -> None:
        raise KeyError("missing")

    async with ComputeTurns(workers=1) as turns:
        with pytest.raises(KeyError, match="missing"):
            await turns.run(QUERY, fail)


async def test_leaving_waits_for_what_was_asked():
    release = threading.Event()
    async with ComputeTurns(workers=1) as turns:
        running = asyncio.create_task(turns.run(INGEST, release.wait))
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_later(0.05, release.set)
    assert await running


def test_a_worker_is_needed():
    with pytest.raises(ValueError, match="at least one worker"):
        ComputeTurns(0)
