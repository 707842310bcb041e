"""How long after its acknowledgement a text is searchable, while texts come at a steady rate.

Texts are sent on a fixed schedule whatever became of those before (an open loop), so that a slow platform cannot slow
its own load down. The clock runs from the answer 202 to the status `searchable`, as a subscriber hears it; every tenth
item is then searched for at once, and must be found.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
from nats.aio.msg import Msg

from bench import inputs
from bench.command import Benchmark, main
from bench.plain_loop import PlainLoop
from bench.report import Percentiles, Table
from bench.running import bus_of, platform_without_demo
from sightwire.bus.connection import Bus
from sightwire.client import AsyncSightwire
from sightwire.contracts import subjects
from sightwire.contracts.events import IndexReady, ItemState, ItemStatus
from sightwire.contracts.streams import ITEM_STATUS

TEXTS_PER_SECOND = 50
AIM_SECONDS = 0.5
_COLLECTION = "fresh"
_SEARCHED_EVERY = 10
_DEADLINE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class _Life:
    """Of one text: seconds on the clock of `time.perf_counter`."""

    sent: float
    accepted: float
    embedded: float
    #: The manifest that holds it was announced.
    committed: float
    searchable: float


async def measure(quick: bool) -> list[Table]:
    """Tables of latencies and of what searches found."""
    count = TEXTS_PER_SECOND * (2 if quick else 30)
    texts = inputs.texts(count + TEXTS_PER_SECOND, seed=7)
    model = await asyncio.to_thread(_model_seconds, texts[:200])
    async with (
        platform_without_demo() as platform,
        AsyncSightwire(platform.gateway_url) as client,
        httpx.AsyncClient(base_url=platform.gateway_url, timeout=_DEADLINE_SECONDS) as http,
        bus_of(platform) as bus,
    ):
        await client.collections.create(_COLLECTION)
        async with _listening(bus) as heard:
            await _send_all(http, client, heard, texts[count:], prefix="warm")
            lives, found = await _send_all(http, client, heard, texts[:count], prefix="item")
    acknowledged = Percentiles.of([life.accepted - life.sent for life in lives])
    fresh = Percentiles.of([life.searchable - life.accepted for life in lives])
    return [
        Table(
            title=f"From acknowledged to searchable at {TEXTS_PER_SECOND} texts a second, in milliseconds",
            columns=("what", "p50", "p90", "p99"),
            rows=[
                ["request to acknowledgement (202)", *acknowledged.milliseconds()],
                ["acknowledged to searchable", *fresh.milliseconds()],
                ["… acknowledged to embedded", *_between(lives, "accepted", "embedded")],
                ["… embedded to committed", *_between(lives, "embedded", "committed")],
                ["… committed to loaded by the searcher", *_between(lives, "committed", "searchable")],
                ["the model alone, one text at a time", *model.milliseconds()],
                [
                    "added to the model's own time",
                    *(whole - model.p50 * 1e3 for whole in fresh.milliseconds()),
                ],
            ],
            note=f"{count:,} texts. Aim: p99 at most {AIM_SECONDS * 1e3:.0f} ms more than the model's own time (its "
            f"median). Of {len(found):,} texts searched for when they were said to be searchable, "
            f"{sum(found):,} were found.",
        )
    ]


def _model_seconds(texts: list[str]) -> Percentiles:
    loop = PlainLoop()
    loop.embed_texts(texts[:10], batch_size=1)
    seconds = []
    for text in texts:
        started = time.perf_counter()
        loop.embed_texts([text], batch_size=1)
        seconds.append(time.perf_counter() - started)
    return Percentiles.of(seconds)


def _between(lives: list[_Life], first: str, last: str) -> list[float]:
    return Percentiles.of([getattr(life, last) - getattr(life, first) for life in lives]).milliseconds()


class _Heard:
    """When things were said on the bus."""

    def __init__(self) -> None:
        self._searchable: dict[str, asyncio.Future[tuple[float, int]]] = {}
        self.embedded: dict[str, float] = {}
        self.committed: dict[int, float] = {}

    def searchable(self, item_id: str) -> "asyncio.Future[tuple[float, int]]":
        """The moment an item was said to be searchable, and the version of the manifest that holds it."""
        return self._searchable.setdefault(item_id, asyncio.get_running_loop().create_future())

    async def hear_status(self, message: Msg) -> None:
        now = time.perf_counter()
        status = ItemStatus.model_validate_json(message.data)
        searchable = self.searchable(status.id)
        if status.state is ItemState.EMBEDDED:
            self.embedded.setdefault(status.id, now)
        elif status.state is ItemState.SEARCHABLE and not searchable.done():
            assert status.manifest_version is not None
            searchable.set_result((now, status.manifest_version))
        elif status.state is ItemState.FAILED and not searchable.done():
            searchable.set_exception(RuntimeError(f"{status.id} failed: {status.reason}"))

    async def hear_commit(self, message: Msg) -> None:
        self.committed[IndexReady.model_validate_json(message.data).manifest_version] = time.perf_counter()


@asynccontextmanager
async def _listening(bus: Bus) -> AsyncIterator[_Heard]:
    heard = _Heard()
    statuses = subjects.key_value(ITEM_STATUS.name, f"{_COLLECTION}.>")
    subscriptions = [
        await bus.client.subscribe(statuses, cb=heard.hear_status),
        await bus.client.subscribe(subjects.index_ready(_COLLECTION), cb=heard.hear_commit),
    ]
    await bus.client.flush()
    try:
        yield heard
    finally:
        for subscription in subscriptions:
            await subscription.unsubscribe()


async def _send_all(
    http: httpx.AsyncClient, client: AsyncSightwire, heard: _Heard, texts: list[str], *, prefix: str
) -> tuple[list[_Life], list[bool]]:
    found: list[bool] = []

    async def live(number: int, text: str) -> _Life:
        item_id = f"{prefix}-{number}"
        sent = time.perf_counter()
        response = await http.post(f"/v1/collections/{_COLLECTION}/items", json={"id": item_id, "text": text})
        accepted = time.perf_counter()
        response.raise_for_status()
        searchable, manifest_version = await heard.searchable(item_id)
        if number % _SEARCHED_EVERY == 0:
            results = await client.search(_COLLECTION, text=text, k=1, filter={"ids": [item_id]})
            found.append([hit.id for hit in results.hits] == [item_id])
        return _Life(sent, accepted, heard.embedded[item_id], heard.committed[manifest_version], searchable)

    started = time.perf_counter()
    async with asyncio.timeout(_DEADLINE_SECONDS + len(texts) / TEXTS_PER_SECOND), asyncio.TaskGroup() as tasks:
        lives = []
        for number, text in enumerate(texts):
            await asyncio.sleep(max(0.0, started + number / TEXTS_PER_SECOND - time.perf_counter()))
            lives.append(tasks.create_task(live(number, text)))
    return [life.result() for life in lives], found


BENCHMARK = Benchmark("freshness", measure)

if __name__ == "__main__":
    main(BENCHMARK)
