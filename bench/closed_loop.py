"""Queries through the gateway one after the other (a closed loop), from a process of its own."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import orjson

from bench.http_connection import HttpConnection, connected
from bench.own_process import in_own_process


@dataclass(frozen=True, slots=True)
class Question:
    """A text to search for, and the item that has to be among the answers."""

    text: str
    item_id: str


@dataclass(frozen=True, slots=True)
class Questions:
    """Which collection is asked what, over and over."""

    gateway_url: str
    collection: str
    questions: Sequence[Question]


@dataclass(frozen=True, slots=True)
class Asked:
    """What became of a query."""

    #: Seconds since the epoch, the clock of the platform's reports.
    sent: float
    seconds: float
    #: Why there is no right answer: it was refused, or the item was not found; empty if all was well.
    failure: str = ""


@dataclass(slots=True)
class Answers:
    """What became of all queries, in their order; empty until the asking has ended."""

    asked: list[Asked] = field(default_factory=list)

    @property
    def failures(self) -> list[str]:
        """Of queries that were refused, or did not find what they should."""
        return [one.failure for one in self.asked if one.failure]

    def seconds_between(self, start: float, end: float) -> list[float]:
        """Seconds of the queries that were sent from one moment on until another."""
        return [one.seconds for one in self.asked if start <= one.sent < end]


@asynccontextmanager
async def asking_in_turn(questions: Questions) -> AsyncIterator[Answers]:
    """Asks until the context is left; then the answers are there. Nothing that fails is tried again.

    Raises:
        EOFError: the process that asks has failed, and said why on stderr.
    """
    answers = Answers()
    async with in_own_process(_ask, questions) as asked:
        yield answers
    answers.asked = asked.result or []


async def _ask(questions: Questions, told: asyncio.Event, begun: Callable[[], None]) -> list[Asked]:
    path = f"/v1/collections/{questions.collection}/search"
    async with connected(questions.gateway_url) as connection:
        first = await _ask_one(connection, path, questions.questions[0])
    if first.failure:
        raise RuntimeError(f"no query can be answered: {first.failure}")
    asked: list[Asked] = []
    begun()
    while not told.is_set():
        async with connected(questions.gateway_url) as connection:
            while not told.is_set():
                asked.append(
                    await _ask_one(connection, path, questions.questions[len(asked) % len(questions.questions)])
                )
                if asked[-1].failure:
                    # What is left of the answer is on the connection.
                    break
    return asked


async def _ask_one(connection: HttpConnection, path: str, question: Question) -> Asked:
    body = orjson.dumps({"query": {"text": question.text}, "k": 10})
    sent, started = time.time(), time.perf_counter()
    failure = ""
    try:
        answer = await connection.request("POST", path, body)
    except (RuntimeError, OSError, asyncio.IncompleteReadError) as error:
        failure = str(error)
    seconds = time.perf_counter() - started
    if not failure and question.item_id not in {hit["id"] for hit in orjson.loads(answer)["hits"]}:
        failure = f"{question.text!r} did not find {question.item_id}"
    return Asked(sent, seconds, failure)
