"""Flights, the log of invalidations, and reports of counts."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightwire.cache.flights import Flights
from sightwire.cache.invalidation_log import Invalidation, InvalidationLog
from sightwire.cache.process_counts import ProcessCounts

NO_TAGS: frozenset[str] = frozenset()


class Computation:
    """Counts its calls and ends when told."""

    def __init__(self) -> None:
        self.calls = 0
        self.started = asyncio.Event()
        self.may_end = asyncio.Event()
        self.was_cancelled = False

    async def __call__(self) -> int:
        self.calls += 1
        number = self.calls
        self.started.set()
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise
        return number


async def test_all_who_ask_together_share_one_computation() -> None:
    flights: Flights[int] = Flights()
    compute = Computation()
    waiting = [asyncio.create_task(flights.run("k", NO_TAGS, compute)) for _ in range(50)]
    await compute.started.wait()
    compute.may_end.set()
    assert await asyncio.gather(*waiting) == [1] * 50
    assert compute.calls == 1
    assert not flights.is_under_way("k")
    assert await flights.run("k", NO_TAGS, compute) == 2


async def test_who_gives_up_takes_the_computation_from_nobody() -> None:
    flights: Flights[int] = Flights()
    compute = Computation()
    first = asyncio.create_task(flights.run("k", NO_TAGS, compute))
    await compute.started.wait()
    second = asyncio.create_task(flights.run("k", NO_TAGS, compute))
    first.cancel()
    await asyncio.wait([first])
    assert first.cancelled()
    compute.may_end.set()
    assert await second == 1


async def test_a_computation_that_nobody_waits_for_is_cancelled() -> None:
    flights: Flights[int] = Flights()
    compute = Computation()
    only = asyncio.create_task(flights.run("k", NO_TAGS, compute))
    await compute.started.wait()
    (task,) = flights.tasks
    only.cancel()
    await asyncio.wait([only, task])
    assert compute.was_cancelled
    assert not flights.tasks


async def test_an_error_reaches_every_waiter_and_is_not_kept() -> None:
    flights: Flights[int] = Flights()
    compute = Computation()

    async def fail() -> int:
        await compute()
        raise LookupError("no such picture")

    waiting = [asyncio.create_task(flights.run("k", NO_TAGS, fail)) for _ in range(3)]
    await compute.started.wait()
    compute.may_end.set()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [str(outcome) for outcome in outcomes] == ["no such picture"] * 3
    assert await flights.run("k", NO_TAGS, compute) == 2


@pytest.mark.parametrize(
    ("invalidation", "joins"),
    [
        (Invalidation(keys=frozenset({"k"})), False),
        (Invalidation(tags=frozenset({"a", "b"})), False),
        (Invalidation(everything=True), False),
        (Invalidation(keys=frozenset({"other"}), tags=frozenset({"b"})), True),
    ],
)
async def test_nobody_joins_a_computation_that_was_invalidated(invalidation: Invalidation, joins: bool) -> None:
    flights: Flights[int] = Flights()
    compute = Computation()
    before = asyncio.create_task(flights.run("k", frozenset({"a"}), compute))
    await compute.started.wait()
    flights.detach(invalidation)
    compute.may_end.set()
    after = asyncio.create_task(flights.run("k", frozenset({"a"}), compute))
    assert (await before, await after) == ((1, 1) if joins else (1, 2))


tag_sets = st.frozensets(st.sampled_from("abc"))


@settings(deadline=None)
@given(st.lists(st.tuples(tag_sets, st.booleans()), max_size=30), st.integers(0, 30), tag_sets)
def test_log_knows_whether_an_entry_was_concerned_since(
    appended: list[tuple[frozenset[str], bool]], start: int, tags: frozenset[str]
) -> None:
    log = InvalidationLog()
    start = min(start, len(appended))
    positions = [log.position]
    for gone, everything in appended:
        log.append(Invalidation(tags=gone, everything=everything))
        positions.append(log.position)
    expected = any(everything or gone & tags for gone, everything in appended[start:])
    assert log.concerned_since(positions[start], "k", tags) == expected


def test_log_says_yes_about_times_that_it_does_not_remember() -> None:
    log = InvalidationLog()
    for _ in range(1025):
        log.append(Invalidation(tags=frozenset({"other"})))
    assert log.concerned_since(0, "k", ())
    assert not log.concerned_since(1, "k", ())


class CountingServer:
    """Adds reports as the server's script does."""

    def __init__(self) -> None:
        self.count = 0
        self.last_number = 0

    def add(self, number: int, increment: int) -> None:
        if number > self.last_number:
            self.last_number = number
            self.count += increment


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["arrives", "is lost", "answer is lost"])), max_size=30))
def test_reports_add_up_whichever_messages_are_lost(reports: list[tuple[int, str]]) -> None:
    server = CountingServer()
    counted = {"hits": 0}
    process = ProcessCounts(lambda: dict(counted))

    def send(fate: str) -> None:
        report = process.next_report()
        if fate != "is lost":
            server.add(report.number, report.increments.get("hits", 0))
        if fate == "arrives":
            process.arrived(report)

    for more, fate in reports:
        counted["hits"] += more
        send(fate)
    # The report of a lost one comes first, what was counted after it in the next.
    send("arrives")
    send("arrives")
    assert server.count == counted["hits"]
