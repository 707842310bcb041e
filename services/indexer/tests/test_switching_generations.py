"""A switch of generations by the indexer: searchers follow, or it goes back."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from sightwire_indexer.app import backup_options, indexer_options
from sightwire_indexer.backups.shared import open_backups
from sightwire_indexer.collection_indexer import CollectionIndexer
from sightwire_indexer.following import Followers, Following, Verdict, judge_switch
from sightwire_indexer.merge_processes import MergeProcesses
from sightwire_indexer.opening import OpenCollections, Surroundings
from sightwire_indexer.outlet import BusOutlet
from sightwire_indexer.retrying import Retrying
from sightwire_indexer.switching import Switcher, Verify
from sightwire_indexer.tombstone_horizon import TombstoneHorizon

from services.indexer.tests.gate_world import GateWorld
from services.indexer.tests.indexer_world import IndexerWorld, embedded_item
from sightwire.blobs import open_blob_store
from sightwire.bus.searchers import SearcherDirectory, announce_searcher, withdraw_searcher
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.events import SearcherAnnouncement
from sightwire.platform.ports import find_free_port
from sightwire.segments.generation_store import GenerationStore
from sightwire.segments.generations import GenerationRecord, GenerationState
from sightwire.segments.layout import IndexLayout
from sightwire.segments.open_generations import OpenGeneration
from sightwire.v1 import searcher_pb2
from tests.plugin.waiting import wait_until


@pytest.mark.parametrize(
    ("loaded", "seconds_left", "expected"),
    [
        pytest.param({}, 1, Verdict(Following.COMPLETE), id="nobody to wait for"),
        pytest.param({"a": 7, "b": 8}, 1, Verdict(Following.COMPLETE), id="all have it or a newer one"),
        pytest.param({"a": 7, "b": 6}, 1, Verdict(Following.WAITING, ("b",)), id="one has not"),
        pytest.param({"b": 0, "a": 6, "c": 7}, 0, Verdict(Following.FAILED, ("a", "b")), id="two never did"),
        pytest.param({"a": 7}, -1, Verdict(Following.COMPLETE), id="just in time"),
    ],
)
def test_a_switch_is_judged_by_who_has_loaded_it(
    loaded: Mapping[str, int], seconds_left: float, expected: Verdict
) -> None:
    assert judge_switch(loaded, 7, seconds_left=seconds_left) == expected


async def test_followers_are_waited_for_until_they_change() -> None:
    loaded = {"a": 6}
    followers = Followers(lambda: loaded)
    following = asyncio.create_task(followers.follow(7, seconds=20))
    await asyncio.sleep(0)
    loaded["a"] = 7
    followers.changed()
    assert await following == Verdict(Following.COMPLETE)
    assert await followers.follow(8, seconds=0.01) == Verdict(Following.FAILED, ("a",))


@asynccontextmanager
async def open_indexer(world: IndexerWorld, record: CollectionRecord) -> AsyncIterator[CollectionIndexer]:
    """The indexer of one collection, as the service opens it, with searchers by their announcements."""
    stopping = asyncio.Event()
    async with MergeProcesses() as processes, SearcherDirectory(world.bus) as searchers:
        collections = OpenCollections(
            Surroundings(
                world.bus,
                world.blobs,
                open_backups(backup_options(world.settings), world.bus),
                BusOutlet(world.bus),
                processes,
                indexer_options(world.settings, TombstoneHorizon(3600)),
                lambda record: searchers.loaded(record.name, record.uid),
                searchers.addresses,
                {record.name: record}.get,
            )
        )

        async def pass_changes_on() -> None:
            while True:
                await searchers.wait_for_change()
                collections.searchers_changed()

        passing = asyncio.create_task(pass_changes_on())
        indexing = asyncio.create_task(collections.index(record, lambda: True, stopping, lambda _problem: None))
        try:
            yield await wait_until(lambda: collections.indexer(record.name), describe="the collection to be open")
        finally:
            stopping.set()
            await indexing
            passing.cancel()
            with suppress(asyncio.CancelledError):
                await passing


async def stage_copy_of_live(world: IndexerWorld, record: CollectionRecord, name: str = "g2") -> None:
    content = await world.content(record)
    assert content is not None
    manifest = content.manifest
    await GenerationStore(world.blobs, IndexLayout.of(record)).store(
        GenerationRecord(
            name=name,
            state=GenerationState.STAGED,
            space=manifest.space,
            created_at=manifest.created_at,
            segments=manifest.segments,
            base_version=manifest.version,
        )
    )


async def test_a_switch_takes_its_turn_with_commits_and_loses_nothing(
    world: IndexerWorld, make_record: Callable[..., CollectionRecord]
) -> None:
    record = await world.create(make_record())
    async with open_indexer(world, record) as indexer:
        await world.indexed_up_to(record, await world.publish(record, embedded_item("a", 1), embedded_item("b", 2)))
        await stage_copy_of_live(world, record)
        await world.indexed_up_to(record, await world.publish(record, embedded_item("a", 3)))
        publishing = asyncio.create_task(world.publish(record, embedded_item("b", 4), embedded_item("c", 5)))
        report = await indexer.switch("g2")
        content = await world.indexed_up_to(record, await publishing)
        assert (report.left, report.name, report.succeeded) == ("g1", "g2", True)
        assert content.manifest.generation == "g2"
        assert content.versions == {"a": 3, "b": 4, "c": 5}
        (switch,) = [event for event in world.searcher.ready if event.reason == "switch"]
        assert (switch.generation, switch.manifest_version) == ("g2", report.manifest_version)


async def test_a_switch_that_a_searcher_does_not_follow_is_taken_back(
    world: IndexerWorld, make_record: Callable[..., CollectionRecord]
) -> None:
    record = await world.create(make_record())
    async with open_indexer(world, record) as indexer:
        await world.indexed_up_to(record, await world.publish(record, embedded_item("a", 1)))
        await stage_copy_of_live(world, record)
        await wait_until(lambda: world.searcher.ready)
        world.searcher.loading = False
        report = await indexer.switch("g2", follow_seconds=0.5)
        assert (report.succeeded, report.behind) == (False, ("searcher-1",))
        await world.searcher.load()
        content = await world.indexed_up_to(record, await world.publish(record, embedded_item("b", 2)))
        assert content.manifest.generation == "g1"
        assert content.versions == {"a": 1, "b": 2}
        failed = await GenerationStore(world.blobs, IndexLayout.of(record)).find("g2")
        assert failed is not None
        assert failed.state is GenerationState.FAILED


async def test_a_switch_after_which_a_searcher_answers_wrongly_is_taken_back(
    world: IndexerWorld, make_record: Callable[..., CollectionRecord]
) -> None:
    record = await world.create(make_record())
    async with open_indexer(world, record) as indexer:
        items = [embedded_item(f"item-{number}", number + 1) for number in range(20)]
        await world.indexed_up_to(record, await world.publish(record, *items))
        await stage_copy_of_live(world, record)

        def leave_best_out(response: searcher_pb2.SearchResponse) -> None:
            del response.hits[0]

        world.searcher.disturb = leave_best_out
        report = await indexer.switch("g2")
        assert not report.succeeded
        assert "must find it with a score of 1.0000, but finds item-" in report.reasons["searcher-1"]
        content = await world.content(record)
        assert content is not None
        assert content.manifest.generation == "g1"


async def test_a_searcher_that_does_not_answer_is_asked_again_until_it_has_gone(
    world: IndexerWorld, make_record: Callable[..., CollectionRecord]
) -> None:
    record = await world.create(make_record())
    async with open_indexer(world, record) as indexer:
        await world.indexed_up_to(record, await world.publish(record, embedded_item("a", 1)))
        await stage_copy_of_live(world, record)
        # It loads everything, and its gRPC server is dead.
        silent = SearcherAnnouncement(
            searcher="silent",
            address=f"127.0.0.1:{find_free_port()}",
            manifests={f"{record.name}-{record.uid}": 1_000_000},
        )
        await announce_searcher(world.bus, silent)
        report = await indexer.switch("g2", follow_seconds=0.5)
        assert list(report.reasons) == ["silent"]
        assert "does not answer as it should: UNAVAILABLE" in report.reasons["silent"]

        await stage_copy_of_live(world, record, "g3")
        await announce_searcher(world.bus, silent)
        switching = asyncio.create_task(indexer.switch("g3"))
        await wait_until(lambda: any(event.generation == "g3" for event in world.searcher.ready))
        await withdraw_searcher(world.bus, "silent")
        assert (await switching).succeeded


def make_switcher(world: GateWorld, announced: list[str], verify: Verify) -> Switcher:
    async def announce() -> None:
        announced.append(world.writer.manifest.generation)

    return Switcher(
        world.writer,
        Followers(dict),
        Retrying(lambda _problem: None),
        verify=verify,
        require_ownership=lambda: None,
        safe_version=lambda: 0,
        announce=announce,
    )


async def stumble(live: OpenGeneration, *, seconds: float) -> dict[str, str]:
    raise RuntimeError(f"stumbled over {live.name}")


@pytest.mark.parametrize("crashed", [False, True])
async def test_a_switch_that_cannot_be_verified_is_taken_back(tmp_path: Path, crashed: bool) -> None:
    world = await GateWorld.open(open_blob_store(str(tmp_path / "blobs")), tmp_path / "cache")
    await world.stage(world.items)
    announced: list[str] = []
    switcher = make_switcher(world, announced, stumble)
    if crashed:
        # The process that made it live ended before it asked the searchers.
        await world.writer.switch("g2")
        report = await switcher.confirm("g1", follow_seconds=1)
    else:
        report = await switcher.switch("g2", carry_over=True, follow_seconds=1)
    assert report.reasons == {"indexer": "could not ask the searchers: RuntimeError('stumbled over g2')"}
    assert announced == (["g1"] if crashed else ["g2", "g1"])
    assert world.writer.manifest.generation == "g1"
    assert world.writer.manifest.items == len(world.items)
