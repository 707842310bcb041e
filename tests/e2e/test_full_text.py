"""Words, hybrid search, facets, orders and groups over some pictures of the demo, through every way to ask."""

import asyncio
import sys
from collections import Counter
from itertools import pairwise

import httpx
import pytest
import pytest_asyncio

from sightwire.client import ApiError, AsyncSightwire, SearchResults
from sightwire.platform.demo_collection import read_demo_items
from sightwire.platform.running_platform import RunningPlatform
from tests.plugin.processes import output_of

COLLECTION = "full-text"
ITEMS = [
    item
    for item in read_demo_items()
    if any(words in item.text for words in ("light bulb", "boat", "flag of S", "tiger", "guitar", "moon"))
]
TOPICS = Counter(item.metadata["topic"] for item in ITEMS)


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def collection(platform: RunningPlatform) -> None:
    async with AsyncSightwire(platform.gateway_url) as sightwire:
        await sightwire.collections.create(COLLECTION, metadata={"topic": {"type": "string"}})
        put = [
            sightwire.items.put(
                COLLECTION,
                id=item.id,
                image=item.picture,
                text=item.text,
                tags=item.tags,
                metadata=item.metadata,
                wait=True,
                timeout=60,
            )
            for item in ITEMS
        ]
        assert {status.state for status in await asyncio.gather(*put)} == {"searchable"}


def ids(results: SearchResults) -> list[str]:
    return [hit.id for hit in results.hits]


async def test_words_are_found_and_marked(async_client: AsyncSightwire) -> None:
    results = await async_client.search(COLLECTION, full_text={"query": '"light bulb" -blue', "highlight": True})
    assert set(ids(results)) == {"light-bulb-switched-on", "light-bulb-switched-off"}
    for hit in results.hits:
        [caption] = [highlight for highlight in hit.highlights if highlight.part == "text"]
        assert [caption.excerpt[start:end] for start, end in caption.ranges] == ["light", "bulb"]
        assert "<mark>light</mark>" in caption.marked


async def test_hybrid_search_ranks_by_meaning_and_words(async_client: AsyncSightwire) -> None:
    results = await async_client.search(COLLECTION, text="a sailing boat", hybrid=True, explain=True, k=3)
    assert "kids-sailing-a-boat" in ids(results)
    for hit in results.hits:
        assert hit.explain is not None
        assert {"image", "text", "_text"} <= hit.explain.keys()
    reciprocal = await async_client.search(COLLECTION, text="a sailing boat", hybrid=True, fusion="rrf", k=3)
    assert "kids-sailing-a-boat" in ids(reciprocal)


@pytest.mark.parametrize("query", ["qqqq zzzz", "?!"])
async def test_when_no_word_matches_hybrid_ranks_as_vectors_do(platform: RunningPlatform, query: str) -> None:
    parameters = {"collection": COLLECTION}
    async with httpx.AsyncClient(base_url=platform.gateway_url, params=parameters, timeout=20) as http:
        by_vectors = (await http.get("/search/text", params={"q": query, "k": 20})).json()
        hybrid = (await http.post("/search/hybrid", json={"text_query": query, "k": 20})).json()
    assert [result["image_id"] for result in hybrid] == [result["image_id"] for result in by_vectors]


async def test_facets_count_the_collection_and_what_has_the_words(async_client: AsyncSightwire) -> None:
    everything = await async_client.search(COLLECTION, facets=["topic", {"field": "_tags", "limit": 1}], k=1)
    counted = [(entry.value, entry.count) for entry in everything.facets["topic"].values]
    assert counted == sorted(TOPICS.items(), key=lambda pair: (-pair[1], pair[0]))
    assert everything.facets["_tags"].others > 0
    words = await async_client.search(COLLECTION, full_text="bulb", facets=["topic"], k=1)
    expected = Counter(item.metadata["topic"] for item in ITEMS if "bulb" in item.text)
    assert {entry.value: entry.count for entry in words.facets["topic"].values} == expected


async def test_hits_are_grouped_by_topic(async_client: AsyncSightwire) -> None:
    group_by = {"field": "topic", "size": 2}
    results = await async_client.search(COLLECTION, text="a sailing boat", hybrid=True, group_by=group_by, k=100)
    groups = Counter(hit.group for hit in results.hits)
    assert groups == {topic: min(2, count) for topic, count in TOPICS.items()}
    # The hits of a group are together.
    assert len(groups) == 1 + sum(one.group != next_.group for one, next_ in pairwise(results.hits))


async def test_results_are_ordered_and_paged(async_client: AsyncSightwire) -> None:
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = await async_client.search(COLLECTION, full_text="flag", sort=["-_id"], k=3, cursor=cursor)
        found += ids(page)
        cursor = page.next_cursor
        if cursor is None:
            break
    assert len(found) > 3
    assert found == sorted(set(found), reverse=True)
    first = await async_client.search(COLLECTION, full_text="flag", sort=["-_id"], k=3)
    with pytest.raises(ApiError, match="another query"):
        await async_client.search(COLLECTION, full_text="flag", sort=["_id"], k=3, cursor=first.next_cursor)


async def test_the_command_line_shows_words_and_counts(platform: RunningPlatform) -> None:
    printed = await output_of(
        *(sys.executable, "-m", "sightwire.cli", "search", "sailboats", "-c", COLLECTION, "--full-text", "--highlight"),
        *("--facet", "_tags", "--sort", "-_time", "--url", platform.gateway_url),
    )
    assert "[sailboats]" in printed
    assert "facet" in printed
