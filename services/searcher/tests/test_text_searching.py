"""Full-text and hybrid search over the real service."""

import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import pytest_asyncio

from services.searcher.tests.building import collection_record, detected, indexed_item, user_field
from services.searcher.tests.conftest import CreatedCollection, RunningSearcher
from services.searcher.tests.index_writer import IndexWriter
from sightwire.blobs import BlobStore
from sightwire.bus.collections import CollectionRegistry
from sightwire.bus.connection import Bus
from sightwire.contracts.collections import MetadataType, TextLanguage
from sightwire.segments.batch import IndexedItem
from sightwire.v1 import searcher_pb2 as pb

FIELDS = {"image": user_field(), "caption": user_field()}
EAST, NORTH = np.eye(8, dtype=np.float32)[:2]


def item(item_id: str, text: str | None = None, **parts: Any) -> IndexedItem:
    return dataclasses.replace(indexed_item(item_id, **parts), text=text)


class Words:
    """A collection of one language, and searches in it."""

    def __init__(self, created: CreatedCollection, searcher: RunningSearcher) -> None:
        self.created = created
        self._searcher = searcher

    async def commit(self, *items: IndexedItem, **parts: Any) -> None:
        manifest = await self.created.writer.commit(items, **parts)
        await self._searcher.has_announced(self.created.record, manifest.version)

    async def search(self, text: str, k: int = 10, **parts: Any) -> pb.SearchResponse:
        options = {key: parts.pop(key) for key in ("parts", "require_all", "weight", "highlight") if key in parts}
        query = pb.TextQuery(text=text, **options)
        request = pb.SearchRequest(collection=self.created.record.name, text=query, k=k, **parts)
        response: pb.SearchResponse = await self._searcher.stub.Search(request)
        return response

    async def found(self, text: str, **parts: Any) -> list[str]:
        return sorted(ids(await self.search(text, **parts)))


def ids(response: pb.SearchResponse) -> list[str]:
    return [hit.item_id for hit in response.hits]


def field_query(field: str, vector: Any) -> pb.FieldQuery:
    return pb.FieldQuery(field=field, vector=vector.tobytes())


MakeWords = Callable[..., Awaitable[Words]]


@pytest.fixture
def words_of(
    bus: Bus, blobs: BlobStore, tmp_path: Path, unique_name: Callable[..., str], searcher: RunningSearcher
) -> MakeWords:
    """`await words_of(language)`: an empty collection."""

    async def create(language: TextLanguage = TextLanguage.ENGLISH) -> Words:
        record = collection_record(unique_name("words"), fields=FIELDS, metadata={"shop": MetadataType.STRING})
        record = record.model_copy(update={"spec": record.spec.model_copy(update={"language": language})})
        await CollectionRegistry(bus).create(record)
        return Words(CreatedCollection(record, IndexWriter(blobs, record, tmp_path / "writer", bus)), searcher)

    return create


@pytest_asyncio.fixture(loop_scope="session")
async def words(words_of: MakeWords) -> AsyncIterator[Words]:
    """Items in two segments, one of them deleted and one superseded."""
    made = await words_of()
    await made.commit(
        item("red-shoe", "a red shoe", metadata={"shop": "north"}),
        item("shoe-red", "a shoe that is red", metadata={"shop": "south"}),
        item("gone", "a red shoe"),
        item("changed", "a red shoe"),
    )
    await made.commit(
        item("changed", "blue boots", version=2),
        item("running", "Dogs were running", tags=["animal"], objects=[detected(1)]),
        item("silent"),
        deleted=["gone"],
    )
    yield made


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("red shoe", ["red-shoe", "shoe-red"]),
        ('"red shoe"', ["red-shoe"]),
        ('"shoe red"', []),
        ("boo*", ["changed"]),
        ('"red sho" boots', ["changed"]),
        ("shoo~1", ["red-shoe", "shoe-red"]),
        ("bleu~1", ["changed"]),
        ('shoe -"red shoe"', ["shoe-red"]),
        ("runs", ["running"]),
        ("running*", ["running"]),
        ("ANIMALS", ["running"]),
        ("that boots", ["changed", "shoe-red"]),
        ("nothing", []),
    ],
)
async def test_words_find_items(words: Words, text: str, expected: list[str]) -> None:
    assert await words.found(text) == expected


async def test_all_words_or_one(words: Words) -> None:
    assert await words.found("blue shoe") == ["changed", "red-shoe", "shoe-red"]
    assert await words.found("blue shoe", require_all=True) == []
    assert await words.found("blue boots", require_all=True) == ["changed"]


async def test_parts_of_the_item(words: Words) -> None:
    assert await words.found("dog", parts=["classes"]) == ["running"]
    assert await words.found("dog", parts=["tags"]) == []
    assert await words.found("animal", parts=["tags", "classes"]) == ["running"]


async def test_filters_and_pages(words: Words) -> None:
    north = pb.Filter(
        metadata=pb.Comparison(field="shop", operator=pb.OPERATOR_EQ, value=pb.Value(string_value="north"))
    )
    assert await words.found("red", filter=north) == ["red-shoe"]
    first = await words.search("red", k=1)
    second = await words.search("red", k=1, offset=1)
    assert (ids(first), first.more) == (["red-shoe"], True)
    assert (ids(second), second.more) == (["shoe-red"], False)


async def test_scores_ranks_and_explanation(words: Words) -> None:
    response = await words.search("shoe dog -blue", explain=True)

    assert [(score.field, score.rank) for score in response.hits[0].field_scores] == [("_text", 1)]
    assert response.hits[0].score == response.hits[0].field_scores[0].score > 0
    (report,) = orjson.loads(response.explanation)["texts"]
    assert [(clause["text"], clause["excluded"], clause["items"]) for clause in report["clauses"]] == [
        ("shoe", False, 4),
        ("dog", False, 1),
        ("-blue", True, 0),
    ]
    assert [segment["found"] for segment in report["segments"]] == [2, 1]


async def test_highlights_mark_the_words(words: Words) -> None:
    response = await words.search("dog ran animal", highlight=True, k=1)

    marked = {
        highlight.part: [highlight.excerpt.encode()[mark.start : mark.end].decode() for mark in highlight.marked]
        for highlight in response.hits[0].highlights
    }
    assert marked == {"text": ["Dogs"], "tags": ["animal"], "classes": ["dog"]}
    assert not (await words.search("dog")).hits[0].highlights


async def test_words_with_order_and_facets(words: Words) -> None:
    response = await words.search(
        "red boots", sort=[pb.SortKey(field="_id", descending=True)], facets=[pb.FacetRequest(field="shop")]
    )
    assert ids(response) == ["shoe-red", "red-shoe", "changed"]
    counts = {value.value.string_value: value.count for value in response.facets[0].values}
    assert (counts, response.facets[0].missing) == ({"north": 1, "south": 1}, 1)


@pytest.mark.parametrize(
    ("language", "found"),
    [(TextLanguage.GERMAN, ["houses"]), (TextLanguage.ENGLISH, []), (TextLanguage.NONE, [])],
)
async def test_languages_differ_in_their_endings(words_of: MakeWords, language: TextLanguage, found: list[str]) -> None:
    made = await words_of(language)
    await made.commit(item("houses", "Viele Häuser"), item("cars", "running cars"))
    assert await made.found("Haus") == found
    assert await made.found("häuser") == ["houses"]
    assert await made.found("run") == (["cars"] if language is TextLanguage.ENGLISH else [])


@pytest.mark.parametrize("fusion", [pb.FUSION_RECIPROCAL_RANK, pb.FUSION_WEIGHTED_NORMALIZED, pb.FUSION_MEAN_SCORE])
async def test_words_and_vectors_together(words_of: MakeWords, fusion: int) -> None:
    made = await words_of()
    await made.commit(
        item("both", "a red shoe", vectors={"image": EAST + 0.5 * NORTH, "caption": EAST}),
        item("near", "a boat", vectors={"image": EAST, "caption": EAST}),
    )
    await made.commit(item("named", "a red boat", vectors={"image": NORTH - EAST}))
    queries = [field_query("image", EAST), field_query("caption", EAST)]

    response = await made.search("red shoe", queries=queries, fusion=fusion)

    assert ids(response) == ["both", "near", "named"]
    assert [score.field for score in response.hits[0].field_scores] == ["image", "caption", "_text"]
    assert response.hits[0].field_scores[2].rank == 1
    assert response.hits[1].field_scores[2].rank == 0
    if fusion != pb.FUSION_RECIPROCAL_RANK:
        assert all(0 <= hit.score <= 1 for hit in response.hits)
    weighted = await made.search("boat", queries=queries[:1], fusion=fusion, weight=50.0)
    assert ids(weighted)[0] == "near"
