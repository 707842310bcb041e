"""Queries on a schedule, from a process of their own: whatever else a benchmark does would make their answers late."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc.aio

from bench.own_process import in_own_process
from sightwire.v1 import searcher_pb2, searcher_pb2_grpc


@dataclass(frozen=True, slots=True)
class Schedule:
    """Which searcher is asked what, over and over, and how often."""

    address: str
    requests: Sequence[searcher_pb2.SearchRequest]
    per_second: float


@dataclass(slots=True)
class Answers:
    """What became of each query, in the order of the answers."""

    #: When it was sent, on the clock of `time.perf_counter`, which all processes of a machine share.
    sent: list[float] = field(default_factory=list)
    #: Seconds until it was answered.
    seconds: list[float] = field(default_factory=list)
    #: CPU seconds that the asking process had used by then.
    cpu_seconds: list[float] = field(default_factory=list)

    def seconds_where(self, belongs: Callable[[float], bool]) -> list[float]:
        """Seconds of the queries that were sent at such a moment."""
        return [taken for sent, taken in zip(self.sent, self.seconds, strict=True) if belongs(sent)]

    def cpu_seconds_where(self, belongs: Callable[[float], bool]) -> float:
        """CPU seconds of the asking process between the first and the last query that were sent at such a moment."""
        used = [used for sent, used in zip(self.sent, self.cpu_seconds, strict=True) if belongs(sent)]
        return max(used, default=0.0) - min(used, default=0.0)


@asynccontextmanager
async def asking_steadily(schedule: Schedule) -> AsyncIterator[Answers]:
    """Asks whatever becomes of earlier queries (an open loop) until the context is left; then the answers are there.

    Raises:
        EOFError: the process that asks has failed, and said why on stderr.
    """
    answers = Answers()
    async with in_own_process(_ask, schedule) as asked:
        yield answers
    if asked.result is not None:
        answers.sent, answers.seconds = asked.result.sent, asked.result.seconds
        answers.cpu_seconds = asked.result.cpu_seconds


async def _ask(schedule: Schedule, told: asyncio.Event, begun: Callable[[], None]) -> Answers:
    answers = Answers()
    async with grpc.aio.insecure_channel(schedule.address) as channel, asyncio.TaskGroup() as asking:
        stub = searcher_pb2_grpc.SearcherStub(channel)
        begun()
        started, number = time.perf_counter(), 0
        while not told.is_set():
            await asyncio.sleep(max(0.0, started + number / schedule.per_second - time.perf_counter()))
            asking.create_task(_ask_one(stub, schedule.requests[number % len(schedule.requests)], answers))
            number += 1
    return answers


async def _ask_one(
    stub: "searcher_pb2_grpc.SearcherAsyncStub", request: searcher_pb2.SearchRequest, answers: Answers
) -> None:
    sent = time.perf_counter()
    await stub.Search(request)
    answers.sent.append(sent)
    answers.seconds.append(time.perf_counter() - sent)
    answers.cpu_seconds.append(time.process_time())
