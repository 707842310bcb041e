"""Answers and vectors that the gateway keeps: none that is older than what was told, counted exactly."""

import asyncio
import base64
import io
import os
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import pytest_asyncio
from PIL import Image
from sightwire_gateway.settings import GatewaySettings

from services.gateway.tests.conftest import SettingsFactory
from services.gateway.tests.http_gateway import RunningGateway, run_gateway
from sightwire.bus.connection import Bus
from sightwire.bus.searchers import announce_searcher, withdraw_searcher
from sightwire.contracts import subjects
from sightwire.contracts.events import IndexReady, SearcherAnnouncement
from sightwire.platform.nats_server import NatsServer
from sightwire.platform.ports import find_free_port
from sightwire.v1 import searcher_pb2
from tests.plugin.cache_server import CacheServer
from tests.plugin.waiting import Eventually, wait_until

pytestmark = pytest.mark.timeout(120)

NewName = Callable[..., str]
_ANNOUNCE_SECONDS = 0.5


class Platform:
    """What searchers and indexers tell gateways on the bus."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        #: By searcher: manifest version by `<collection>-<uid>`.
        self.loaded: dict[str, dict[str, int]] = {}

    async def load(self, searcher: str, collection: str, uid: str, version: int) -> None:
        """A searcher has loaded a version."""
        self.loaded.setdefault(searcher, {})[f"{collection}-{uid}"] = version
        await self.announce()

    async def commit(self, collection: str, uid: str, version: int) -> None:
        """The indexer has committed a version."""
        ready = IndexReady(
            collection=collection,
            collection_uid=uid,
            generation="g1",
            space="s",
            manifest_version=version,
            items=1,
            segments=1,
            checkpoint=version,
            committed_at=datetime.now(UTC),
        )
        await self.bus.publish(subjects.index_ready(collection), ready.model_dump_json().encode(), {})

    async def announce(self) -> None:
        for searcher, manifests in self.loaded.items():
            await announce_searcher(
                self.bus, SearcherAnnouncement(searcher=searcher, address="127.0.0.1:1", manifests=manifests)
            )

    async def keep_announcing(self) -> None:
        while True:
            await self.announce()
            await asyncio.sleep(_ANNOUNCE_SECONDS)


@asynccontextmanager
async def platform_on(server: NatsServer, settings: SettingsFactory) -> AsyncIterator[Platform]:
    access = server.access
    chosen = settings(nats_url=access.url, nats_user=access.user, nats_password=access.password)
    async with Bus(chosen, name="platform") as bus:
        platform = Platform(bus)
        announcing = asyncio.create_task(platform.keep_announcing())
        yield platform
        announcing.cancel()
        if bus.is_connected:
            for searcher in platform.loaded:
                await withdraw_searcher(bus, searcher)


@pytest_asyncio.fixture(loop_scope="session")
async def platform(module_nats_server: NatsServer, gateway_settings: SettingsFactory) -> AsyncIterator[Platform]:
    async with platform_on(module_nats_server, gateway_settings) as platform:
        yield platform


@pytest.fixture
def settings(module_nats_server: NatsServer, gateway_settings: SettingsFactory) -> SettingsFactory:
    """Of gateways on the bus of `platform`."""
    access = module_nats_server.access
    own = {"nats_url": access.url, "nats_user": access.user, "nats_password": access.password}

    def made(**changes: Any) -> Any:
        return gateway_settings(**{**own, **changes})

    return made


@pytest_asyncio.fixture(loop_scope="session")
async def running(settings: SettingsFactory) -> AsyncIterator[RunningGateway]:
    async with run_gateway(settings) as running:
        yield running


class Asked:
    """A collection, of which version 7 is loaded at first."""

    def __init__(self, gateway: RunningGateway, platform: Platform, name: str) -> None:
        self.gateway = gateway
        self.platform = platform
        self.name = name
        self.uid = ""

    async def open(self, *searchers: str) -> None:
        await self.gateway.make_collection(self.name)
        self.uid = (await self.gateway.http.get(f"/v1/collections/{self.name}")).json()["uid"]
        for searcher in searchers or ("one",):
            await self.platform.load(searcher, self.name, self.uid, 7)
        await self.wait(self.is_kept)

    async def search(self, text: str = "sea", gateway: RunningGateway | None = None, **more: Any) -> dict[str, Any]:
        answer = await (gateway or self.gateway).http.post(
            f"/v1/collections/{self.name}/search", json={"query": {"text": text}, **more}
        )
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    async def ids(self, text: str = "sea", **more: Any) -> list[str]:
        return [hit["id"] for hit in (await self.search(text, **more))["hits"]]

    @property
    def searches(self) -> int:
        return len(self.gateway.searcher.searches)

    def finds(self, *ids: str, version: int = 7) -> None:
        """From now on the searcher answers so."""
        searcher = self.gateway.searcher
        searcher.hits = [searcher_pb2.Hit(item_id=id_, score=0.5, document=b'{"id":"x","objects":[]}') for id_ in ids]
        searcher.manifest_version = version

    async def commit(self, version: int) -> None:
        """Returns when the gateway has heard of it."""
        await self.platform.commit(self.name, self.uid, version)

        async def is_known() -> bool:
            return not await self.is_kept()

        await self.wait(is_known)

    async def is_kept(self) -> bool:
        await self.search("warm up")
        before = self.searches
        await self.search("warm up")
        return self.searches == before

    async def wait(self, condition: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(20):
            while not await condition():  # noqa: ASYNC110
                await asyncio.sleep(0.01)


@pytest_asyncio.fixture(loop_scope="session")
async def asked(running: RunningGateway, platform: Platform, unique_name: NewName) -> Asked:
    asked = Asked(running, platform, unique_name())
    await asked.open()
    return asked


async def test_the_same_question_is_answered_from_the_cache(asked: Asked) -> None:
    asked.finds("a", "b")
    first, second = await asked.search(k=5), await asked.search(k=5)
    assert first["hits"] == second["hits"]
    assert second["manifest_version"] == 7
    before = asked.searches
    questions: list[dict[str, Any]] = [
        {"k": 4},
        {"filter": {"tags_any": ["x"]}},
        {"text": "lake"},
        {"fields": ["image"]},
        {"weights": {"image": 2.0}},
        {"hybrid": True},
        {"facets": ["_tags"]},
    ]
    for question in questions:
        await asked.search(**question)
    assert asked.searches == before + len(questions), "another question"
    for question in questions:
        await asked.search(**question)
    assert asked.searches == before + len(questions)
    for _ in range(2):
        await asked.search(explain=True)
    assert asked.searches == before + len(questions) + 2, "explained answers are never kept"


async def test_a_picture_is_one_question_however_it_comes(asked: Asked) -> None:
    def png(colour: str) -> bytes:
        file = io.BytesIO()
        Image.new("RGB", (8, 8), colour).save(file, "PNG")
        return file.getvalue()

    url, before = f"/v1/collections/{asked.name}/search", asked.searches
    red = {"query": {"image": {"data": base64.b64encode(png("red")).decode()}}}
    answers = [
        await asked.gateway.http.post(url, files={"image": ("a.png", png("red"))}),
        await asked.gateway.http.post(url, files={"image": ("b.png", png("red"))}),
        await asked.gateway.http.post(url, json=red),
        await asked.gateway.http.post(url, files={"image": ("a.png", png("blue"))}),
    ]
    assert [answer.status_code for answer in answers] == [200] * 4
    assert asked.searches == before + 2


async def test_what_is_committed_ends_answers_before_any_searcher_has_loaded_it(asked: Asked) -> None:
    asked.finds("old")
    assert await asked.ids() == ["old"]
    await asked.commit(8)
    before = asked.searches
    assert [await asked.ids(), await asked.ids()] == [["old"], ["old"]]
    assert asked.searches == before + 2, "an answer of an older version is not kept"
    asked.finds("new", version=8)
    assert [await asked.ids(), await asked.ids()] == [["new"], ["new"]]
    assert asked.searches == before + 3


async def test_the_newest_of_several_searchers_counts(running: RunningGateway, platform: Platform) -> None:
    asked = Asked(running, platform, "two-searchers")
    await asked.open("one", "two")
    asked.finds("old")
    assert await asked.ids() == ["old"]
    await platform.load("two", asked.name, asked.uid, 8)
    asked.finds("new", version=8)

    async def finds_the_new() -> bool:
        return await asked.ids() == ["new"]

    await asked.wait(finds_the_new)
    asked.finds("old")  # the searcher that still loads
    assert await asked.ids() == ["new"], "kept under the version that it is of"


async def test_an_answer_tells_of_a_version_that_nobody_told_of(asked: Asked) -> None:
    asked.finds("new", version=9)
    assert await asked.ids("never asked") == ["new"]
    asked.finds("newer", version=9)
    assert await asked.ids("warm up") == ["newer"], "of version 7 until then"


async def test_all_who_ask_at_once_search_once(asked: Asked, eventually: Eventually) -> None:
    asked.finds("a")
    before = asked.searches
    asked.gateway.searcher.delay.clear()
    asking = [asyncio.create_task(asked.ids("rush")) for _ in range(30)]
    await eventually(lambda: asked.searches > before)
    asked.gateway.searcher.delay.set()
    assert await asyncio.gather(*asking) == [["a"]] * 30
    assert asked.searches == before + 1


async def test_who_asks_later_is_not_given_an_answer_of_an_older_version(asked: Asked, eventually: Eventually) -> None:
    """It asked after the new version was told of; the search that it finds under way may have begun before."""
    asked.finds("old")
    await asked.commit(8)
    before = asked.searches
    asked.gateway.searcher.delay.clear()
    first = asyncio.create_task(asked.ids("late"))
    await eventually(lambda: asked.searches == before + 1)
    second = asyncio.create_task(asked.ids("late"))
    asked.finds("new", version=8)
    asked.gateway.searcher.delay.set()
    await asyncio.gather(first, second)
    assert second.result() == ["new"]


async def test_pages_come_from_the_cache_too(asked: Asked) -> None:
    asked.finds("a")
    asked.gateway.searcher.more = True
    try:
        cursor = (await asked.search("pages", k=1))["next_cursor"]
        before = asked.searches
        for _ in range(2):
            await asked.search("pages", k=1, cursor=cursor)
        assert asked.searches == before + 1
    finally:
        asked.gateway.searcher.more = False


async def test_without_word_of_searchers_nothingis_kept(
    settings: SettingsFactory, platform: Platform, unique_name: NewName
) -> None:
    async with run_gateway(settings) as gateway:
        asked = Asked(gateway, platform, unique_name())
        await gateway.make_collection(asked.name)
        for _ in range(2):
            await asked.search()
        assert asked.searches == 2


async def test_caches_can_be_switched_off(settings: SettingsFactory, unique_name: NewName) -> None:
    async with run_gateway(settings, gateway_query_cache_bytes=0, gateway_embedding_cache_bytes=0) as gateway:
        name = await gateway.make_collection(unique_name())
        for _ in range(2):
            await gateway.http.post(f"/v1/collections/{name}/search", json={"query": {"text": "sea"}})
        assert gateway.embedder.texts == ["sea", "sea"]
        accounting = (await gateway.http.get("/metrics/cache_accounting")).json()
        assert (accounting["lookups"], accounting["consistent"], accounting["caches"]) == (0, True, {})
        assert (await gateway.http.get("/health")).json()["redis"] == "disabled"


async def test_a_text_is_embedded_once(asked: Asked) -> None:
    for k in (3, 4, 5):
        await asked.search("embedded once", k=k)
    assert asked.gateway.embedder.texts.count("embedded once") == 1
    metrics = (await asked.gateway.http.get("/metrics")).text
    assert 'sightwire_cache_lookups_total{cache="query-embeddings",level="any",result="hit"}' in metrics
    [size] = [line for line in metrics.splitlines() if line.startswith("embedding_cache_size ")]
    assert float(size.split()[1]) >= 1


async def test_accounting_is_exact_under_load(asked: Asked) -> None:
    asked.finds("a")
    url = "/metrics/cache_accounting"
    before = (await asked.gateway.http.get(url)).json()
    questions, callers = 12, 30
    snapshots: list[dict[str, Any]] = []

    async def look() -> None:
        snapshots.extend([(await asked.gateway.http.get(url)).json() for _ in range(10)])

    async def ask(caller: int) -> None:
        for number in range(questions):
            await asked.search(f"load {(caller + number) % questions}")

    await asyncio.gather(look(), *(ask(caller) for caller in range(callers)))
    assert all(one["consistent"] and one["lookups"] == one["hits"] + one["misses"] for one in snapshots)
    after = (await asked.gateway.http.get(url)).json()
    answers, earlier = (one["caches"]["query-answers"] for one in (after, before))
    assert answers["lookups"] - earlier["lookups"] == questions * callers
    assert answers["sets"] - earlier["sets"] == questions
    assert answers["misses"] - earlier["misses"] - (answers["collapsed"] - earlier["collapsed"]) == questions
    assert after["hits"] == sum(one["hits"] for one in after["caches"].values())


async def test_gateways_share_a_server_and_its_death_degrades_only(
    settings: SettingsFactory,
    platform: Platform,
    fresh_cache_server: CacheServer,
    unique_name: NewName,
    eventually: Eventually,
) -> None:
    shared: dict[str, Any] = {"cache_url": fresh_cache_server.url}
    async with run_gateway(settings, **shared) as one, run_gateway(settings, **shared) as other:
        asked = Asked(one, platform, unique_name())
        await asked.open()
        by_other = Asked(other, platform, asked.name)
        await by_other.wait(by_other.is_kept)
        asked.finds("a")
        by_other.finds("a")
        before = await accounting_of_both(one, other)
        assert before["counted"] == "server"
        searches = asked.searches + by_other.searches
        await asyncio.gather(*(asked.search("shared", gateway=gateway) for gateway in (one, other) for _ in range(20)))
        assert (await asked.search("shared", gateway=other))["hits"][0]["id"] == "a"
        # One for both, unless this machine is so busy that one does not wait for the other.
        assert asked.searches + by_other.searches <= searches + 2
        after = await accounting_of_both(one, other)
        answers, earlier = (accounting["caches"]["query-answers"] for accounting in (after, before))
        assert after["consistent"]
        assert answers["lookups"] - earlier["lookups"] == 41

        async def one_searches_for_both() -> bool:
            text, before = unique_name("question"), by_other.searches
            await asked.search(text)
            await by_other.search(text)
            return by_other.searches == before

        await eventually(one_searches_for_both)
        assert (await one.http.get("/health")).json()["redis"] == "healthy"

        await fresh_cache_server.kill()
        for _ in range(3):
            assert await asked.ids("after the death") == ["a"]

        async def is_down() -> bool:
            health = await one.http.get("/health")
            assert health.status_code == 200
            return str(health.json()["redis"]).startswith("unhealthy")

        await eventually(is_down)
        assert (await one.http.get("/metrics/cache_accounting")).json()["counted"] == "process"
        await fresh_cache_server.start()

        async def is_back() -> bool:
            return str((await one.http.get("/health")).json()["redis"]) == "healthy"

        await eventually(is_back)
        assert await asked.ids("after the death") == ["a"]
        assert (await one.http.get("/metrics/cache_accounting")).json()["counted"] == "server"


async def accounting_of_both(one: RunningGateway, other: RunningGateway) -> dict[str, Any]:
    """What both counted until now; each adds its own when it is asked."""
    await other.http.get("/metrics/cache_accounting")
    accounting: dict[str, Any] = (await one.http.get("/metrics/cache_accounting")).json()
    return accounting


async def test_while_the_bus_is_away_searches_go_to_the_searcher(
    fresh_nats_server: NatsServer, gateway_settings: SettingsFactory, unique_name: NewName, eventually: Eventually
) -> None:
    access = fresh_nats_server.access
    own: dict[str, Any] = {
        "nats_url": access.url,
        "nats_user": access.user,
        "nats_password": access.password,
    }
    async with (
        platform_on(fresh_nats_server, gateway_settings) as platform,
        run_gateway(gateway_settings, **own) as gateway,
    ):
        asked = Asked(gateway, platform, unique_name())
        await asked.open()
        asked.finds("old")
        assert await asked.ids() == ["old"]
        await fresh_nats_server.stop()
        await eventually(lambda: not platform.bus.is_connected)
        asked.finds("new", version=8)

        async def finds_the_new() -> bool:
            return await asked.ids() == ["new"]

        await eventually(finds_the_new)
        await fresh_nats_server.start()
        await platform.load("one", asked.name, asked.uid, 8)
        await asked.wait(asked.is_kept)
        assert await asked.ids() == ["new"]


async def test_accounting_is_exact_over_processes_and_threads(
    settings: SettingsFactory,
    platform: Platform,
    fresh_cache_server: CacheServer,
    unique_name: NewName,
    eventually: Eventually,
) -> None:
    questions, threads, rounds = 10, 8, 6
    async with run_gateway(settings, cache_url=fresh_cache_server.url) as gateway, AsyncExitStack() as stack:
        asked = Asked(gateway, platform, unique_name())
        await asked.open()
        asked.finds("a")
        urls = [await stack.enter_async_context(gateway_process(gateway.gateway.settings)) for _ in range(2)]
        async with httpx.AsyncClient(trust_env=False) as http:

            async def keep_answers() -> bool:
                for url in urls:
                    await http.post(f"{url}/v1/collections/{asked.name}/search", json={"query": {"text": "warm up"}})
                pages = [(await http.get(f"{url}/metrics")).text for url in urls]
                return all(re.search(r'lookups_total\{cache="query-answers".*"hit"\} [1-9]', page) for page in pages)

            await eventually(keep_answers)

            async def counted() -> dict[str, Any]:
                every = [(await http.get(f"{url}/metrics/cache_accounting")).json() for url in (*urls, *urls)]
                assert all(one["consistent"] and one["counted"] == "server" for one in every)
                return dict(every[-1]["caches"]["query-answers"])

            def ask(thread: int) -> None:
                with httpx.Client(base_url=urls[thread % 2], trust_env=False, timeout=30) as own:
                    for number in range(questions * rounds):
                        query = {"query": {"text": f"of all {(thread + number) % questions}"}}
                        answer = own.post(f"/v1/collections/{asked.name}/search", json=query)
                        assert [hit["id"] for hit in answer.json()["hits"]] == ["a"]

            before = await counted()
            await asyncio.gather(*(asyncio.to_thread(ask, thread) for thread in range(threads)), look_on(counted))
            after = await counted()
    lookups = questions * rounds * threads
    assert after["lookups"] - before["lookups"] == lookups
    assert after["hits"] + after["misses"] == after["lookups"]
    assert after["sets"] - before["sets"] >= questions
    assert after["misses"] - before["misses"] <= lookups // 2


async def look_on(look: Callable[[], Awaitable[object]]) -> None:
    for _ in range(10):
        await look()


@asynccontextmanager
async def gateway_process(chosen: GatewaySettings) -> AsyncIterator[str]:
    """A gateway as a process of its own, beside one of these settings; its URL."""
    port = find_free_port()
    assert chosen.nats_password is not None
    environment = {
        **os.environ,
        "SIGHTWIRE_NATS_URL": chosen.nats_url,
        "SIGHTWIRE_NATS_USER": chosen.nats_user or "",
        "SIGHTWIRE_NATS_PASSWORD": chosen.nats_password.get_secret_value(),
        "SIGHTWIRE_BLOBS_URL": chosen.blobs_url,
        "SIGHTWIRE_CACHE_URL": chosen.cache_server_url or "",
        "SIGHTWIRE_GATEWAY_PORT": str(port),
        "SIGHTWIRE_GATEWAY_SEARCHER_ADDRESS": chosen.gateway_searcher_address,
        "SIGHTWIRE_GATEWAY_EMBEDDER_ADDRESS": chosen.gateway_embedder_address,
    }
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "sightwire_gateway", env=environment)
    url = f"http://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient(base_url=url, trust_env=False) as http:

            async def is_alive() -> bool:
                try:
                    return (await http.get("/livez")).status_code == 200
                except httpx.TransportError:
                    return False

            await wait_until(is_alive, 30)
        yield url
    finally:
        process.terminate()
        await process.wait()
