"""Committed, loaded, asked and answered in whichever order: no answer is older than what was told before."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from hypothesis import given
from hypothesis import strategies as st
from sightwire_gateway.manifest_versions import ManifestVersions
from sightwire_gateway.query_cache import QueryCache

from services.gateway.tests.conftest import make_record
from sightwire.cache.levels import MultiLevelCache
from sightwire.cache.options import CacheOptions
from sightwire.contracts.collections import CollectionRecord
from sightwire.v1 import searcher_pb2

SEARCHERS = 2
_TURNS = 20

Step = tuple[Literal["commit", "load", "ask", "answer"], int]
STEPS = st.lists(
    st.tuples(st.just("commit"), st.just(0))
    | st.tuples(st.just("load"), st.integers(0, SEARCHERS - 1))
    | st.tuples(st.just("ask"), st.integers(0, SEARCHERS - 1))
    | st.tuples(st.just("answer"), st.integers(0, 3)),
    max_size=40,
)


class Told(ManifestVersions):
    """What a gateway has heard that hears of each commit before any searcher loads it."""

    def __init__(self) -> None:
        self.version = 1

    async def newest(self, index: CollectionRecord) -> int | None:
        return self.version

    def note(self, index: CollectionRecord, version: int) -> None:
        assert version <= self.version


@dataclass
class World:
    """Two searchers; queries to them are answered when the test says so, by what they had loaded when asked."""

    cache: QueryCache
    told: Told
    loaded: list[int] = field(default_factory=lambda: [1] * SEARCHERS)
    under_way: list[asyncio.Event] = field(default_factory=list)
    #: Each question: the version that everybody had when it was asked, and its answer.
    asked: list[tuple[int, "asyncio.Task[searcher_pb2.SearchResponse]"]] = field(default_factory=list)
    searches: int = 0

    async def take(self, step: Step) -> None:
        what, which = step
        if what == "commit":
            self.told.version += 1
        elif what == "load":
            self.loaded[which] = self.told.version
        elif what == "ask":
            self.asked.append((min(self.loaded), asyncio.create_task(self._ask(which))))
        elif self.under_way:
            self.under_way.pop(which % len(self.under_way)).set()
        for _ in range(_TURNS):
            await asyncio.sleep(0)

    async def _ask(self, searcher: int) -> searcher_pb2.SearchResponse:
        async def search() -> searcher_pb2.SearchResponse:
            self.searches += 1
            answer = searcher_pb2.SearchResponse(manifest_version=self.loaded[searcher])
            may_come = asyncio.Event()
            self.under_way.append(may_come)
            await may_come.wait()
            return answer

        return await self.cache.answer(make_record(), searcher_pb2.SearchRequest(collection="photos"), (), search)


async def carried_out(steps: Sequence[Step]) -> World:
    async with MultiLevelCache(CacheOptions("property")) as cache:
        told = Told()
        world = World(QueryCache(cache, told), told)
        for step in steps:
            await world.take(step)
        while world.under_way:
            await world.take(("answer", 0))
        await asyncio.gather(*(answer for _, answer in world.asked))
    return world


@given(steps=STEPS)
def test_no_answer_is_older_than_what_all_had_loaded_when_it_was_asked(steps: list[Step]) -> None:
    world = asyncio.run(carried_out(steps))
    for known, answer in world.asked:
        assert answer.result().manifest_version >= known


def test_without_changes_there_is_one_search() -> None:
    world = asyncio.run(carried_out([("ask", 0), ("ask", 1), ("answer", 0), ("ask", 1)]))
    assert len(world.asked) == 3
    assert world.searches == 1
