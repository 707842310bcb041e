"""A collection moves to another model, with nothing lost and nothing twice, while all that work on it are killed.

`SIGHTWIRE_SURVIVAL_MIGRATED=2000` (what `make chaos` sets) is the long form; the default keeps the test suite quick.
"""

import asyncio
import itertools
import logging
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from services.embedder.tests.small_bundles import captions, make_small_bundle
from sightwire.blobs import open_blob_store
from sightwire.bus.collections import CollectionRegistry
from sightwire.bus.connection import Bus
from sightwire.bus.migrations import Migrations
from sightwire.client import AsyncSightwire
from sightwire.client.problems import ApiError
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.migrations import MigrationState
from sightwire.contracts.pipeline_control import RunReport
from sightwire.contracts.pipelines import PipelineRunState
from sightwire.contracts.reviews import Reviewer
from sightwire.errors import SightwireError
from sightwire.platform.ports import find_free_port
from sightwire.platform.running_platform import PlatformOptions, RunningPlatform, run_platform
from sightwire.settings import SharedSettings
from tests.plugin.index_reading import read_index
from tests.plugin.survival import until_accepted, was_killed
from tests.plugin.waiting import Eventually

logger = logging.getLogger(__name__)

ITEMS = int(os.environ.get("SIGHTWIRE_SURVIVAL_MIGRATED", "320"))
#: Times that each process is killed before a reviewer decides, and again after that.
ROUNDS = 1 if ITEMS < 1000 else 4
VICTIMS = ("orchestrator", "embedder", "indexer", "searcher")
COLLECTION = "survivors"
CAPTIONS = captions(ITEMS)
#: Between two kills, at most.
PAUSE_SECONDS = 3.0


class Changes:
    """Items that are put, changed and deleted all the while; those whose number ends with 2 to 9 stay as they are."""

    def __init__(self, client: AsyncSightwire) -> None:
        self._client = client
        self.expected = {f"item-{number}": CAPTIONS[number] for number in range(ITEMS)}
        #: What was begun is ended then: whether it counts must not be left open.
        self.is_over = False

    async def go_on(self) -> None:
        for number in itertools.takewhile(lambda _: not self.is_over, itertools.count()):
            old, text = f"item-{10 * (number % (ITEMS // 10)) + number % 2}", CAPTIONS[number * 7 % ITEMS]
            await self._put(f"new-{number}", text)
            if number % 2:
                await until_accepted(partial(self._delete, old))
                self.expected.pop(old, None)
            else:
                await self._put(old, text)
            await asyncio.sleep(0.05)

    async def _put(self, item_id: str, text: str) -> None:
        await until_accepted(partial(self._client.items.put, COLLECTION, id=item_id, text=text))
        self.expected[item_id] = text

    async def _delete(self, item_id: str) -> None:
        try:
            await self._client.items.delete(COLLECTION, item_id)
        except ApiError as error:
            # Deleted by an earlier attempt whose answer was lost.
            if error.http_status != 404:
                raise


@asynccontextmanager
async def changing(client: AsyncSightwire) -> AsyncIterator[Changes]:
    changes = Changes(client)
    going = asyncio.create_task(changes.go_on())
    try:
        yield changes
        assert not going.done(), going.result()
    finally:
        changes.is_over = True
        await going


class Killer:
    """Ends processes at random moments, each only when it is ready again."""

    def __init__(self, platform: RunningPlatform, chance: random.Random, eventually: Eventually) -> None:
        self._platform = platform
        self._chance = chance
        self._eventually = eventually
        self._kills = dict.fromkeys(VICTIMS, 0)

    async def kill_each(self, rounds: int) -> None:
        loop = asyncio.get_running_loop()
        victims = [victim for victim in VICTIMS for _ in range(rounds)]
        self._chance.shuffle(victims)
        for victim in victims:
            moment = loop.time() + self._chance.uniform(0, PAUSE_SECONDS)
            process, kills = self._platform.process(victim), self._kills[victim]

            def could_be_killed(moment: float = moment, kills: int = kills, process=process) -> bool:
                return loop.time() >= moment and was_killed(process, kills=kills)

            await self._eventually(could_be_killed, deadline=120, describe=f"the kill of {victim}")
            self._kills[victim] += 1


@asynccontextmanager
async def bus_of(platform: RunningPlatform) -> AsyncIterator[Bus]:
    access = platform.nats
    settings = SharedSettings.model_validate(
        {"nats_url": access.url, "nats_user": access.user, "nats_password": access.password}
    )
    async with Bus(settings, name="test") as bus:
        yield bus


async def listed(client: AsyncSightwire) -> dict[str, str]:
    """Texts of all items by id; each is listed once."""
    found: dict[str, str] = {}
    cursor = None
    while True:
        try:
            page = await client.items.list(COLLECTION, limit=100, cursor=cursor)
        except SightwireError as error:
            raise AssertionError(f"the platform is not back yet: {error}") from error
        for item in page.items:
            assert item["id"] not in found, f"{item['id']} is listed twice"
            found[item["id"]] = item["text"]
        cursor = page.next_cursor
        if cursor is None:
            return found


async def live_versions(platform: RunningPlatform, record: CollectionRecord, cache: Path) -> dict[str, int]:
    """Versions of an index' items by id, as the blob store has them; none is there twice."""
    content = await read_index(open_blob_store(str(platform.data.blobs)), record, cache)
    assert content is not None
    return content.versions


async def begin(client: AsyncSightwire, bundle: Path) -> str:
    registered = await client.models.register({"kind": "folder", "path": str(bundle)})
    person = {"id": "ann", "name": "Ann", "email": "ann@example.org", "specializations": ["models"]}
    await client.reviewers.put(Reviewer.model_validate(person))
    wanted = {"collection": COLLECTION, "model": str(registered.model.id), "review": True, "items_per_second": 60}
    return (await client.pipelines.run("migrate-collection", wanted)).run


async def approve(client: AsyncSightwire, run: str, eventually: Eventually) -> None:
    async def asked() -> str | None:
        report = await until_accepted(partial(client.runs.get, run))
        assert not report.state.is_final, report.error
        found = (await until_accepted(partial(client.reviews.list, run=run))).reviews
        return found[0].id if found else None

    review = await eventually(asked, deadline=300)
    try:
        await until_accepted(partial(client.reviews.decide, review, "approve", by="ann"))
    except ApiError as error:
        # Decided by an earlier attempt whose answer was lost.
        if error.http_status != 409:
            raise


@pytest.mark.timeout(1800)
async def test_a_migration_is_complete_after_kills(tmp_path: Path, eventually: Eventually) -> None:
    seed = int(os.environ.get("SIGHTWIRE_SURVIVAL_SEED") or random.SystemRandom().randrange(2**32))
    logger.warning("SIGHTWIRE_SURVIVAL_SEED=%d repeats this run's order of kills", seed)
    bundles = [make_small_bundle(tmp_path, version, dimension=size) for version, size in (("1", 24), ("2", 32))]
    options = PlatformOptions(tmp_path / "data", port=find_free_port(), bundle=bundles[0])
    async with (
        run_platform(options) as platform,
        AsyncSightwire(platform.gateway_url, timeout=30) as client,
        bus_of(platform) as bus,
    ):
        await client.collections.create(COLLECTION, fields={"text": {"source": "text"}})
        items = [{"id": f"item-{number}", "text": CAPTIONS[number]} for number in range(ITEMS)]
        assert not (await client.items.put_many(COLLECTION, items)).failed

        async def all_are_there() -> bool:
            return len(await listed(client)) == ITEMS

        await eventually(all_are_there, deadline=120)
        killer = Killer(platform, random.Random(seed), eventually)
        async with changing(client) as changes:
            run = await begin(client, bundles[1])
            await killer.kill_each(ROUNDS)
            await approve(client, run, eventually)
            await killer.kill_each(ROUNDS)

            async def ended() -> RunReport | None:
                report = await until_accepted(partial(client.runs.get, run))
                return report if report.state.is_final else None

            report = await eventually(ended, deadline=600)
            assert report.state is PipelineRunState.SUCCEEDED, report.error

        registry = CollectionRegistry(bus)
        users = await registry.get(COLLECTION)
        assert users.answering is not None
        [migration] = await Migrations(bus).all(COLLECTION)
        assert (migration.shadow, migration.state) == (users.answering, MigrationState.PROMOTED)
        shadow = await registry.get(users.answering)

        async def as_put() -> bool:
            assert await listed(client) == changes.expected
            return True

        async def the_same_in_both() -> bool:
            new = await live_versions(platform, shadow, tmp_path / "new")
            assert new.keys() == changes.expected.keys()
            assert new == await live_versions(platform, users, tmp_path / "old")
            return True

        await eventually(as_put, deadline=120)
        await eventually(the_same_in_both, deadline=120)
        for number in random.Random(seed).sample([one for one in range(ITEMS) if one % 10 > 1], 20):
            found = await client.search(COLLECTION, text=CAPTIONS[number], k=20)
            assert f"item-{number}" in {hit.id for hit in found.hits}
