"""Throughput of the whole platform, from the first request to the last item searchable, against a plain loop.

The same inputs go through the models in a plain loop in this process and then through the platform, by turns, so that
whatever else the machine does is in both; ratios are medians over rounds. Input waits in memory; batches, requests and
events are made before the clock starts, as they are in a publisher that has something else to do.
"""

import asyncio
import base64
import statistics
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import orjson
from nats.aio.msg import Msg

from bench import inputs
from bench.command import Benchmark, main
from bench.plain_loop import PlainLoop
from bench.report import Table
from bench.running import PROCESSES_AND_BENCHMARK, CpuSeconds, bus_of, platform_without_demo
from sightwire.bus.connection import Bus, OutgoingMessage
from sightwire.bus.headers import event_headers
from sightwire.client import AsyncSightwire
from sightwire.contracts import subjects
from sightwire.contracts.streams import ITEM_STATUS
from sightwire.platform.running_platform import RunningPlatform

AIM = 0.9
_TEXTS_PER_REQUEST = 250
_REQUESTS_IN_FLIGHT = 4
_PICTURES_IN_FLIGHT = 32
_EVENTS_IN_FLIGHT = 256
#: In the JSON of an item's status. Looked for as they stand, so that listening costs next to nothing.
_SEARCHABLE = b'"state":"searchable"'
_FAILED = b'"state":"failed"'
_DEADLINE_SECONDS = 300.0


@dataclass(slots=True)
class _Measured:
    """One way to process items: its rate in each round, and CPU seconds per item by process."""

    rates: list[float] = field(default_factory=list)
    cpu_seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


class _Rounds:
    """All ways, each measured once a round."""

    def __init__(self, platform: RunningPlatform, bus: Bus, client: AsyncSightwire) -> None:
        self.ways: dict[str, _Measured] = defaultdict(_Measured)
        self._platform = platform
        self._bus = bus
        self._client = client

    async def loop(self, label: str, items: int, work: Callable[[], object]) -> None:
        """A plain loop in this process, in a thread as this process has nothing else to do."""
        cpu_before = CpuSeconds.now(self._platform)
        started = time.perf_counter()
        await asyncio.to_thread(work)
        self._note(label, items, started, cpu_before)

    async def platform(self, label: str, collection: str, items: int, send: Callable[[], Awaitable[None]]) -> None:
        """Sends `items` new items and waits until all are said to be searchable, and counted by a searcher."""
        before = (await self._client.collections.get(collection)).items
        async with _searchable(self._bus, collection, items) as all_searchable:
            cpu_before = CpuSeconds.now(self._platform)
            started = time.perf_counter()
            await send()
            async with asyncio.timeout(_DEADLINE_SECONDS):
                await all_searchable
            self._note(label, items, started, cpu_before)
        found = (await self._client.collections.get(collection)).items - before
        if found != items:
            raise RuntimeError(f"{items} items of {collection} were said to be searchable, but a searcher has {found}")

    def _note(self, label: str, items: int, started: float, cpu_before: CpuSeconds) -> None:
        way = self.ways[label]
        way.rates.append(items / (time.perf_counter() - started))
        for name, seconds in CpuSeconds.now(self._platform).since(cpu_before).items():
            way.cpu_seconds[name].append(seconds / items)


@asynccontextmanager
async def _searchable(bus: Bus, collection: str, items: int) -> AsyncIterator["asyncio.Future[None]"]:
    """Done once so many items of a collection have become searchable from now on."""
    everything: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    keys: set[str] = set()

    async def hear(message: Msg) -> None:
        if _FAILED in message.data and not everything.done():
            everything.set_exception(RuntimeError(f"an item failed: {message.data.decode()}"))
        if _SEARCHABLE in message.data:
            keys.add(message.subject)
            if len(keys) == items and not everything.done():
                everything.set_result(None)

    subscription = await bus.client.subscribe(subjects.key_value(ITEM_STATUS.name, f"{collection}.>"), cb=hear)
    await bus.client.flush()
    try:
        yield everything
    finally:
        await subscription.unsubscribe()


async def measure(quick: bool) -> list[Table]:
    """Tables of throughput and of CPU time."""
    rounds, text_count, picture_count = (1, 60, 8) if quick else (3, 1000, 96)
    loop = PlainLoop()
    _warm_up(loop)
    async with (
        platform_without_demo() as platform,
        AsyncSightwire(platform.gateway_url) as client,
        httpx.AsyncClient(base_url=platform.gateway_url, timeout=120) as http,
        bus_of(platform) as bus,
    ):
        for name in ("texts", "pictures"):
            await client.collections.create(name)
        texts, pictures = _Rounds(platform, bus, client), _Rounds(platform, bus, client)
        # Round 0 warms everything up and is not counted.
        for number in range(rounds + 1):
            if number == 1:
                texts.ways.clear()
                pictures.ways.clear()
            await _round_of_texts(
                texts, http, bus, loop, inputs.texts(text_count if number else 40, seed=number), number
            )
            files = await asyncio.to_thread(inputs.pictures, picture_count if number else 8, number)
            await _round_of_pictures(pictures, http, bus, loop, files, number)
    return [
        _throughput("Texts, per second", texts.ways, ("plain loop, one by one", "plain loop, batches of 32")),
        _throughput("Pictures, per second", pictures.ways, ("plain loop, one by one",)),
        _cpu_time("texts", texts.ways),
        _cpu_time("pictures", pictures.ways),
    ]


async def _round_of_texts(
    rounds: _Rounds, http: httpx.AsyncClient, bus: Bus, loop: PlainLoop, texts: list[str], number: int
) -> None:
    count = len(texts)
    items = [{"id": f"post-{number}-{index}", "text": text} for index, text in enumerate(texts)]
    requests = [
        orjson.dumps({"items": items[start : start + _TEXTS_PER_REQUEST]})
        for start in range(0, count, _TEXTS_PER_REQUEST)
    ]
    events = [{"id": f"event-{number}-{index}", "text": text} for index, text in enumerate(texts)]
    messages = _messages("texts", events)
    await rounds.loop("plain loop, one by one", count, lambda: loop.embed_texts(texts, batch_size=1))
    await rounds.platform("platform, POST items:batch", "texts", count, lambda: _post_batches(http, requests))
    await rounds.loop("plain loop, batches of 32", count, lambda: loop.embed_texts(texts, batch_size=32))
    await rounds.platform("platform, published events", "texts", count, lambda: _publish(bus, messages))


async def _round_of_pictures(
    rounds: _Rounds, http: httpx.AsyncClient, bus: Bus, loop: PlainLoop, files: list[bytes], number: int
) -> None:
    count = len(files)
    events = [
        {"id": f"event-{number}-{index}", "image": {"data": base64.b64encode(data).decode()}}
        for index, data in enumerate(files)
    ]
    messages = _messages("pictures", events)
    requests = [
        http.build_request(
            "POST",
            "/v1/collections/pictures/items",
            files={"image": (f"{index}.jpg", data, "image/jpeg")},
            data={"item": orjson.dumps({"id": f"post-{number}-{index}"}).decode()},
        )
        for index, data in enumerate(files)
    ]
    for request in requests:
        request.read()
    await rounds.loop("plain loop, one by one", count, lambda: loop.analyse_pictures(files))
    await rounds.platform("platform, POST items", "pictures", count, lambda: _post_pictures(http, requests))
    await rounds.loop("plain loop, one by one", count, lambda: loop.analyse_pictures(files))
    await rounds.platform("platform, published events", "pictures", count, lambda: _publish(bus, messages))


async def _post_batches(http: httpx.AsyncClient, requests: Sequence[bytes]) -> None:
    places = asyncio.Semaphore(_REQUESTS_IN_FLIGHT)

    async def post(body: bytes) -> None:
        async with places:
            response = await http.post(
                "/v1/collections/texts/items:batch", content=body, headers={"content-type": "application/json"}
            )
        answer = response.raise_for_status().json()
        if answer["failed"]:
            raise RuntimeError(f"the platform refused an item: {answer['failed'][0]}")

    await asyncio.gather(*map(post, requests))


async def _post_pictures(http: httpx.AsyncClient, requests: Sequence[httpx.Request]) -> None:
    places = asyncio.Semaphore(_PICTURES_IN_FLIGHT)

    async def post(request: httpx.Request) -> None:
        async with places:
            response = await http.send(request)
        response.raise_for_status()

    await asyncio.gather(*map(post, requests))


def _messages(collection: str, events: Sequence[Mapping[str, object]]) -> list[OutgoingMessage]:
    return [
        OutgoingMessage(
            subjects.ingest(collection),
            orjson.dumps(event),
            event_headers(event_type="sightwire.item.put", source="bench", subject=str(event["id"])),
        )
        for event in events
    ]


async def _publish(bus: Bus, messages: Sequence[OutgoingMessage]) -> None:
    for start in range(0, len(messages), _EVENTS_IN_FLIGHT):
        await bus.publish_all(messages[start : start + _EVENTS_IN_FLIGHT])


def _warm_up(loop: PlainLoop) -> None:
    loop.embed_texts(inputs.texts(32, seed=0), batch_size=32)
    loop.analyse_pictures(inputs.pictures(2, seed=0))


def _throughput(title: str, ways: Mapping[str, _Measured], baselines: Sequence[str]) -> Table:
    rows: list[list[str | float]] = []
    for label, way in ways.items():
        ratios: list[str | float] = [_ratio(way, ways[baseline]) for baseline in baselines]
        rows.append([label, statistics.median(way.rates), *ratios])
    return Table(
        title=title,
        columns=("way", "median rate", *(f"ratio to {baseline}" for baseline in baselines)),
        rows=rows,
        note=f"From the first request to the last item searchable. Aim: at least {AIM} of the plain loop.",
    )


def _ratio(way: _Measured, baseline: _Measured) -> float:
    """Median over rounds of the way's rate by the baseline's mean rate of that round."""
    turns = len(baseline.rates) // len(way.rates) or 1
    of_rounds = [
        statistics.fmean(baseline.rates[start : start + turns]) for start in range(0, len(baseline.rates), turns)
    ]
    repeats = len(way.rates) // len(of_rounds) or 1
    return statistics.median(rate / of_rounds[index // repeats] for index, rate in enumerate(way.rates))


def _cpu_time(kind: str, ways: Mapping[str, _Measured]) -> Table:
    rows: list[list[str | float]] = []
    for label, way in ways.items():
        milliseconds = [1000 * statistics.median(way.cpu_seconds[name]) for name in PROCESSES_AND_BENCHMARK]
        rows.append([label, *milliseconds, sum(milliseconds)])
    return Table(
        title=f"CPU time for each of the {kind}, by process, in milliseconds",
        columns=("way", *PROCESSES_AND_BENCHMARK, "sum"),
        rows=rows,
        note="`benchmark` is the plain loop, or the client. What services use while the plain loop runs is what they "
        "use when idle.",
    )


BENCHMARK = Benchmark("ingest", measure)

if __name__ == "__main__":
    main(BENCHMARK)
