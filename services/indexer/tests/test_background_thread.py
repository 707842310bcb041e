"""The thread for heavy work: modest, and gone when nobody waits for it."""

import asyncio
import os
import sys
import threading

import faiss
import pytest
from sightwire_indexer.background_thread import AbandonedError, BackgroundThread


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


async def test_it_searches_on_one_processor_and_leaves_others_as_they_are() -> None:
    before = faiss.omp_get_max_threads()
    with BackgroundThread() as thread:
        assert await thread.run(faiss.omp_get_max_threads) == 1
    assert faiss.omp_get_max_threads() == before


@pytest.mark.skipif(sys.platform != "linux", reason="threads have priorities of their own on Linux alone")
async def test_its_priority_is_lower_if_it_may_be() -> None:
    own = niceness()
    with BackgroundThread() as modest, BackgroundThread(niceness=0) as equal:
        assert await modest.run(niceness) == min(own + 10, 19)
        assert await equal.run(niceness) == own
    assert niceness() == own


async def test_work_that_nobody_waits_for_ends_at_its_next_step() -> None:
    began, may_go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        began.set()
        may_go_on.wait(10)
        try:
            thread.go_on()
        except AbandonedError:
            ended.set()

    with BackgroundThread() as thread:
        waiting = asyncio.create_task(thread.run(work))
        assert await asyncio.to_thread(began.wait, 10)
        waiting.cancel()
    may_go_on.set()
    assert await asyncio.to_thread(ended.wait, 10)
