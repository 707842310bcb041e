"""Nothing is lost and nothing comes twice while every process is killed again and again.

`SIGHTWIRE_SURVIVAL_PICTURES=1000` (what `make chaos` sets) is the long form; the default keeps the test suite quick.
"""

import asyncio
import io
import logging
import os
import random
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from sightwire.client import AsyncSightwire
from sightwire.client.calls import Picture
from sightwire.client.models import ItemPage
from sightwire.client.problems import ApiError, ConnectionFailedError
from sightwire.platform.demo_collection import read_demo_items
from sightwire.platform.ports import find_free_port
from sightwire.platform.running_platform import PlatformOptions, RunningPlatform, run_platform
from sightwire.platform.supervised_process import SupervisedProcess
from tests.plugin.survival import until_accepted, was_killed
from tests.plugin.waiting import Eventually

logger = logging.getLogger(__name__)

PICTURES = int(os.environ.get("SIGHTWIRE_SURVIVAL_PICTURES", "120"))
KILLS_OF_EACH = 2
VICTIMS = ("gateway", "embedder", "indexer", "searcher", "orchestrator", "nats")
UPLOADS_AT_ONCE = 6
COLLECTION = "survivors"


def distinct_pictures(count: int) -> Iterator[tuple[str, Picture]]:
    """`count` different pictures by id: the demo's drawings, mirrored, turned and cropped as often as needed."""
    drawings = [item.picture for item in read_demo_items()]
    for number in range(count):
        drawing, variation = drawings[number % len(drawings)], number // len(drawings)
        with Image.open(drawing) as opened:
            picture = opened.convert("RGB")
        left = 3 * variation
        picture = picture.crop((left, 0, picture.width, picture.height)).rotate(90 * (variation % 4), expand=True)
        encoded = io.BytesIO()
        picture.save(encoded, "PNG", compress_level=1)
        yield f"{drawing.stem}-{variation}", Picture(encoded.getvalue(), filename=f"{drawing.stem}.png")


async def kill_at_random(
    platform: RunningPlatform, accepted: list[str], seed: int, eventually: Eventually
) -> Counter[str]:
    """Kills every process twice, in random order, at random moments of the ingest."""
    chance = random.Random(seed)
    victims = [victim for victim in VICTIMS for _ in range(KILLS_OF_EACH)]
    chance.shuffle(victims)
    moments = sorted(chance.sample(range(1, max(len(victims) + 2, PICTURES * 9 // 10)), len(victims)))
    kills: Counter[str] = Counter()
    for victim, moment in zip(victims, moments, strict=True):
        process = platform.process(victim)

        def could_be_killed(victim: str = victim, process: SupervisedProcess = process, moment: int = moment) -> bool:
            return len(accepted) >= moment and was_killed(process, kills=kills[victim])

        await eventually(could_be_killed, deadline=300, describe=f"the kill of {victim}")
        kills[victim] += 1
    return kills


async def all_items(client: AsyncSightwire) -> list[str]:
    """Ids of every live item, as often as they are listed."""
    ids: list[str] = []
    cursor = None
    while True:
        page: ItemPage = await client.items.list(COLLECTION, limit=100, cursor=cursor)
        ids.extend(item["id"] for item in page.items)
        cursor = page.next_cursor
        if cursor is None:
            return ids


@pytest.mark.timeout(900)
async def test_every_accepted_picture_is_searchable_exactly_once_after_kills(
    tmp_path: Path, eventually: Eventually
) -> None:
    seed = int(os.environ.get("SIGHTWIRE_SURVIVAL_SEED") or random.SystemRandom().randrange(2**32))
    logger.warning("SIGHTWIRE_SURVIVAL_SEED=%d repeats this run's order of kills", seed)
    options = PlatformOptions(data_directory=tmp_path / "data", port=find_free_port())
    async with run_platform(options) as platform, AsyncSightwire(platform.gateway_url, timeout=30) as client:
        await client.collections.create(COLLECTION)
        accepted: list[str] = []
        pending = distinct_pictures(PICTURES)

        async def upload_pending() -> None:
            for item_id, picture in pending:
                put = partial(client.items.put, COLLECTION, id=item_id, image=picture, tags=["survivor"])
                await until_accepted(put)
                accepted.append(item_id)

        async with asyncio.TaskGroup() as tasks:
            killing = tasks.create_task(kill_at_random(platform, accepted, seed, eventually))
            for _ in range(UPLOADS_AT_ONCE):
                tasks.create_task(upload_pending())
        assert killing.result() == dict.fromkeys(VICTIMS, KILLS_OF_EACH)
        assert len(accepted) == len(set(accepted)) == PICTURES

        async def all_are_searchable() -> bool:
            try:
                found = await all_items(client)
            except (ConnectionFailedError, ApiError) as error:
                raise AssertionError(f"the platform is not back yet: {error}") from error
            assert len(found) >= PICTURES, f"{len(found)} of {PICTURES} are searchable"
            return True

        await eventually(all_are_searchable, deadline=300)

        listed = await all_items(client)
        assert Counter(listed) == Counter(accepted), "every item exactly once, and nothing else"
        hits = (await client.search(COLLECTION, text="a drawing", fields=["image"], k=min(PICTURES, 1000))).hits
        assert len(hits) == len({hit.id for hit in hits}) == min(PICTURES, 1000)

        async def are_told_searchable() -> bool:
            # A searcher that was killed counts as alive until its announcement expires; statuses wait for it.
            for item_id in random.Random(seed).sample(accepted, 20):
                status = await client.items.status(COLLECTION, item_id)
                assert status.state == "searchable", f"{item_id} is {status.state}"
            return True

        await eventually(are_told_searchable, deadline=60)
