"""Requests merged into model calls: nobody waits needlessly, nobody suffers from a neighbour."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from sightwire_embedder.batching import Batcher, BatchPolicy, ComputeTurns, FinishedBatch, Priority
from sightwire_embedder.batching.isolation import call_isolated
from sightwire_embedder.batching.selection import RequestShape

from sightwire.errors import OverloadedError, UnavailableError

QUERY, INGEST = Priority.QUERY, Priority.INGEST
EIGHT = BatchPolicy(8, 8)


class GatedModel:
    """Doubles numbers; each call waits until the gate is open. Refuses -1, and batches with -2 as a whole."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.started = threading.Semaphore(0)
        self.calls: list[list[int]] = []

    def __call__(self, inputs: Sequence[int]) -> list[int | Exception]:
        self.calls.append(list(inputs))
        self.started.release()
        assert self.gate.wait(10), "the test never opened the gate"
        if -2 in inputs:
            raise RuntimeError("cannot digest -2")
        return [ValueError("minus one") if number == -1 else 2 * number for number in inputs]

    async def has_started(self) -> None:
        assert await asyncio.to_thread(self.started.acquire, timeout=10)


@asynccontextmanager
async def batching(
    model: Callable[[Sequence[int]], Sequence[int | Exception]],
    policy: BatchPolicy = EIGHT,
    *,
    workers: int = 1,
    max_waiting: int = 100,
    finished: list[FinishedBatch] | None = None,
) -> AsyncIterator[Batcher[int, int]]:
    async with ComputeTurns(workers) as turns:
        batcher: Batcher[int, int] = Batcher(
            "doubler",
            model,
            turns,
            policy,
            max_waiting=max_waiting,
            observer=None if finished is None else finished.append,
        )
        try:
            yield batcher
        finally:
            batcher.close()
            if isinstance(model, GatedModel):
                model.gate.set()


async def test_a_lone_request_is_called_at_once():
    model = GatedModel()
    model.gate.set()
    async with batching(model) as batcher:
        answer = await batcher.submit(21, QUERY)
    assert answer.value == 42
    assert answer.call_seconds >= 0
    assert model.calls == [[21]]


async def test_what_arrives_together_and_what_arrives_meanwhile_is_merged():
    model = GatedModel()
    async with batching(model) as batcher:
        together = [asyncio.create_task(batcher.submit(number, INGEST)) for number in (1, 2)]
        await model.has_started()
        meanwhile = [asyncio.create_task(batcher.submit(number, INGEST)) for number in (3, 4, 5)]
        await asyncio.sleep(0)
        assert batcher.waiting(INGEST) == 3
        model.gate.set()
        answers = await asyncio.gather(*together, *meanwhile)
    assert [answer.value for answer in answers] == [2, 4, 6, 8, 10]
    assert model.calls == [[1, 2], [3, 4, 5]]


async def test_idle_workers_share_what_waits():
    model = GatedModel()
    async with batching(model, workers=2) as batcher:
        answers = asyncio.create_task(batcher.submit_all([1, 2, 3, 4], INGEST))
        await model.has_started()
        await model.has_started()
        assert sorted(model.calls) == [[1, 2], [3, 4]]
        model.gate.set()
        assert [answer.value for answer in await answers] == [2, 4, 6, 8]


async def test_no_batch_exceeds_the_budget():
    model = GatedModel()
    model.gate.set()
    async with batching(model, BatchPolicy(3, 3)) as batcher:
        await batcher.submit_all(list(range(10)), INGEST)
    assert [len(call) for call in model.calls] == [3, 3, 3, 1]


async def test_a_query_overtakes_ingest_and_shares_no_batch_with_it():
    model = GatedModel()
    async with batching(model) as batcher:
        ingest = asyncio.create_task(batcher.submit_all([1, 2, 3], INGEST))
        await model.has_started()
        more_ingest = asyncio.create_task(batcher.submit(4, INGEST))
        query = asyncio.create_task(batcher.submit(5, QUERY))
        await model.has_started()
        assert model.calls == [[1, 2, 3], [5]]
        model.gate.set()
        await asyncio.gather(ingest, more_ingest, query)
    assert model.calls[2] == [4]


async def test_a_poisonous_input_fails_alone():
    model = GatedModel()
    model.gate.set()
    async with batching(model, BatchPolicy(16, 16)) as batcher:
        answers = await batcher.submit_all([1, 2, -2, 4, -1, 6], INGEST)
    assert [answers[index].value for index in (0, 1, 3, 5)] == [2, 4, 8, 12]
    assert isinstance(answers[2], RuntimeError)
    assert isinstance(answers[4], ValueError)


async def test_submit_raises_the_inputs_own_error():
    model = GatedModel()
    model.gate.set()
    async with batching(model) as batcher:
        with pytest.raises(ValueError, match="minus one"):
            await batcher.submit(-1, QUERY)


async def test_cancelling_a_waiting_request_harms_no_neighbour():
    model = GatedModel()
    async with batching(model) as batcher:
        running = asyncio.create_task(batcher.submit(1, INGEST))
        await model.has_started()
        waiting = [asyncio.create_task(batcher.submit(number, INGEST)) for number in (2, 3, 4)]
        await asyncio.sleep(0)
        waiting[1].cancel()
        await asyncio.wait([waiting[1]])
        assert batcher.waiting(INGEST) == 2
        model.gate.set()
        answers = await asyncio.gather(running, waiting[0], waiting[2])
    assert [answer.value for answer in answers] == [2, 4, 8]
    assert model.calls == [[1], [2, 4]]


async def test_cancelling_a_running_request_harms_no_neighbour():
    model = GatedModel()
    async with batching(model) as batcher:
        tasks = [asyncio.create_task(batcher.submit(number, INGEST)) for number in (1, 2)]
        await model.has_started()
        tasks[0].cancel()
        model.gate.set()
        answer = await tasks[1]
    assert answer.value == 4
    assert tasks[0].cancelled()


async def test_a_batch_of_which_all_were_cancelled_is_not_called():
    model = GatedModel()
    async with batching(model) as batcher:
        running = asyncio.create_task(batcher.submit(1, INGEST))
        await model.has_started()
        waiting = asyncio.create_task(batcher.submit(2, INGEST))
        await asyncio.sleep(0)
        waiting.cancel()
        model.gate.set()
        await asyncio.wait([running, waiting])
        assert (await batcher.submit(3, INGEST)).value == 6
    assert model.calls == [[1], [3]]


async def test_a_full_queue_refuses_queries():
    model = GatedModel()
    async with batching(model, BatchPolicy(1, 1), max_waiting=2) as batcher:
        # The gate is closed: two run (one worker and the thread for queries), two wait.
        accepted = [asyncio.create_task(batcher.submit(number, QUERY)) for number in range(2)]
        await model.has_started()
        await model.has_started()
        accepted += [asyncio.create_task(batcher.submit(number, QUERY)) for number in (2, 3)]
        await asyncio.sleep(0)
        with pytest.raises(OverloadedError, match="2 queries wait for the model 'doubler'"):
            await batcher.submit(9, QUERY)
        model.gate.set()
        assert [(await task).value for task in accepted] == [0, 2, 4, 6]


async def test_a_full_queue_slows_ingest_down():
    model = GatedModel()
    async with batching(model, BatchPolicy(2, 2), max_waiting=3) as batcher:
        source = asyncio.create_task(batcher.submit_all(list(range(20)), INGEST))
        await model.has_started()
        assert batcher.waiting(INGEST) <= 3
        assert not source.done()
        model.gate.set()
        assert [answer.value for answer in await source] == [2 * number for number in range(20)]


async def test_closing_refuses_new_requests_and_answers_old_ones():
    model = GatedModel()
    async with batching(model) as batcher:
        running = asyncio.create_task(batcher.submit(1, QUERY))
        await model.has_started()
        batcher.close()
        with pytest.raises(UnavailableError, match="shutting down"):
            await batcher.submit(2, QUERY)
        model.gate.set()
        assert (await running).value == 2


async def test_a_lone_request_waits_for_company_when_that_pays_and_company_is_likely():
    model = GatedModel()
    model.gate.set()
    async with batching(model, BatchPolicy(8, 8, wait_seconds=0.2)) as batcher:
        # The first requests teach that the next one is near.
        await asyncio.gather(*(batcher.submit(number, INGEST) for number in range(20)))
        model.calls.clear()
        first = asyncio.create_task(batcher.submit(10, INGEST))
        for _ in range(5):  # turns of the event loop, in which an eager batcher would have called
            await asyncio.sleep(0)
        second = asyncio.create_task(batcher.submit(11, INGEST))
        await asyncio.gather(first, second)
    assert model.calls == [[10, 11]]


async def test_observers_learn_of_every_call():
    model = GatedModel()
    model.gate.set()
    finished: list[FinishedBatch] = []
    async with batching(model, finished=finished) as batcher:
        await batcher.submit_all([1, 2, 3], INGEST)
        await batcher.submit(4, QUERY)
    assert [(batch.model, batch.priority, batch.size) for batch in finished] == [
        ("doubler", INGEST, 3),
        ("doubler", QUERY, 1),
    ]
    assert all(batch.queue_seconds >= 0 and batch.call_seconds >= 0 for batch in finished)


async def test_a_long_input_does_not_share_a_batch_with_short_ones():
    calls: list[list[int]] = []

    def model(inputs: Sequence[int]) -> list[int]:
        calls.append(list(inputs))
        return list(inputs)

    async with ComputeTurns(1) as turns:
        batcher: Batcher[int, int] = Batcher(
            "lengths", model, turns, BatchPolicy(1000, 1000), shape_of=lambda length: RequestShape(length)
        )
        await batcher.submit_all([9, 9, 256, 9], INGEST)
    assert calls == [[9, 9, 9], [256]]


@pytest.mark.parametrize("poison", [0, 7, 31])
def test_isolation_costs_a_logarithm_of_calls(poison):
    calls = 0

    def call(inputs: Sequence[int]) -> list[int | Exception]:
        nonlocal calls
        calls += 1
        if poison in inputs:
            raise RuntimeError("poison")
        return list(inputs)

    outputs = call_isolated(call, range(32))
    assert [output for output in outputs if not isinstance(output, Exception)] == [
        number for number in range(32) if number != poison
    ]
    assert calls == 1 + 2 * 5


def test_a_model_that_answers_too_little_is_an_error_not_a_shift():
    outputs = call_isolated(lambda inputs: list(inputs)[1:], [1, 2])
    assert all(isinstance(output, RuntimeError) for output in outputs)


def test_a_model_that_is_away_is_called_once():
    calls = []

    def call(inputs: Sequence[int]) -> list[int | Exception]:
        calls.append(list(inputs))
        raise UnavailableError("no server")

    outputs = call_isolated(call, range(32))
    assert calls == [list(range(32))]
    assert {str(output) for output in outputs} == {"no server"}
    assert len(outputs) == 32
