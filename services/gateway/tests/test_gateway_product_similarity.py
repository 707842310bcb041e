"""POST /predict, beside an embedder whose vectors count letters, and which can change its model at any moment."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from prometheus_client import REGISTRY

from services.gateway.tests.conftest import SettingsFactory
from services.gateway.tests.http_gateway import RunningGateway, SmallEmbedder, run_gateway
from sightwire.client import AsyncSightwire
from sightwire.errors import NotFoundError, UnavailableError
from sightwire.service.grpc_errors import answering_errors
from sightwire.v1 import embedder_pb2

_LETTERS = "abcdefgh"


class LetterEmbedder(SmallEmbedder):
    """Counts letters of texts; model 2 counts them in another order."""

    def __init__(self) -> None:
        super().__init__()
        self.default = "letters-1"
        self.loaded = {"letters-1", "letters-2"}
        #: What becomes the default, and the only one, after the next description.
        self.next_default: str | None = None

    @answering_errors
    async def DescribeModel(self, request: Any, _context: Any) -> Any:
        self._fail()
        space = request.space or self.default
        if self.next_default is not None:
            self.default, self.loaded, self.next_default = self.next_default, {self.next_default}, None
        return embedder_pb2.DescribeModelResponse(
            name="letters", version=space.removeprefix("letters-"), space=space, dimension=len(_LETTERS)
        )

    @answering_errors
    async def AnalyzeImage(self, _request: Any, _context: Any) -> Any:
        raise NotFoundError("it knows letters only")

    @answering_errors
    async def EmbedTexts(self, request: Any, _context: Any) -> Any:
        self._fail()
        space = request.space or self.default
        if space not in self.loaded:
            raise NotFoundError(f"space {space!r} is not served")
        self.texts += request.texts
        order = _LETTERS if space == "letters-1" else _LETTERS[::-1]
        counts = np.array([[text.count(letter) for letter in order] for text in request.texts], "<f4")
        matrix = embedder_pb2.Matrix(data=counts.tobytes(), rows=len(counts), dimension=len(_LETTERS))
        return embedder_pb2.EmbedTextsResponse(vectors=matrix, space=space, model_seconds=0.001)


@pytest_asyncio.fixture(loop_scope="session")
async def embedder() -> LetterEmbedder:
    return LetterEmbedder()


@pytest_asyncio.fixture(loop_scope="session")
async def running(gateway_settings: SettingsFactory, embedder: LetterEmbedder) -> AsyncIterator[RunningGateway]:
    running = run_gateway(
        gateway_settings, embedder=embedder, gateway_max_predict_queries=3, gateway_max_predict_descriptions=200
    )
    async with running as gateway:
        yield gateway


async def predict(running: RunningGateway, **request: Any) -> Any:
    answer = await running.http.post("/predict", json=request)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_descriptions_are_ranked_for_each_query(running: RunningGateway) -> None:
    answer = await predict(running, query=["aab", "h"], product_descriptions=["bbb", "ab", "aabaab", "c"])
    first, second = answer["results"]
    assert (first["query"], second["query"]) == ("aab", "h")
    assert [match["index"] for match in first["matches"]] == [2, 1, 0, 3]
    assert [match["product_description"] for match in first["matches"]] == ["aabaab", "ab", "bbb", "c"]
    assert [match["score"] for match in first["matches"]] == pytest.approx([1, 3 / 10**0.5, 5**-0.5, 0], abs=1e-6)
    assert [match["score"] for match in second["matches"]] == [0, 0, 0, 0]
    assert (answer["model"], answer["space"]) == ({"name": "letters", "version": "1"}, "letters-1")


async def test_thresholds_and_counts_shorten_rankings(running: RunningGateway) -> None:
    request = {"query": ["aab"], "product_descriptions": ["bbb", "ab", "aab", "c"]}
    above = await predict(running, **request, threshold=0.4)
    assert [match["index"] for match in above["results"][0]["matches"]] == [2, 1, 0]
    best = await predict(running, **request, threshold=0.4, top_k=1)
    assert [match["index"] for match in best["results"][0]["matches"]] == [2]
    assert (await predict(running, **request, threshold=1.0, top_k=4))["results"][0]["matches"][0]["score"] == 1


async def test_texts_are_embedded_once(running: RunningGateway, embedder: LetterEmbedder) -> None:
    texts = ["a" * (1 + number) + "b" for number in range(150)]
    first = await predict(running, query=[texts[0]], product_descriptions=[*texts, texts[0]])
    assert sorted(embedder.texts) == sorted(texts), "in several calls, each text in one of them"
    assert await predict(running, query=[texts[0]], product_descriptions=[*texts, texts[0]]) == {
        **first,
        "took_ms": pytest.approx(first["took_ms"], abs=60_000),
    }
    await predict(running, query=["new"], product_descriptions=texts[:5])
    assert sorted(embedder.texts) == sorted([*texts, "new"])


async def test_a_model_that_changes_meanwhile_is_not_mixed_with_the_next_one(
    running: RunningGateway, embedder: LetterEmbedder
) -> None:
    request = {"query": ["ab"], "product_descriptions": ["ab", "gh"]}
    await predict(running, **request)
    embedder.next_default = "letters-2"
    answer = await predict(running, query=["ab", "new"], product_descriptions=["ab", "gh"])
    assert (answer["model"]["version"], answer["space"]) == ("2", "letters-2")
    assert [match["score"] for match in answer["results"][0]["matches"]] == [1, 0]
    assert (await predict(running, **request))["space"] == "letters-2", "also of texts that the cache has of the other"


@pytest.mark.parametrize(
    ("changes", "status", "message"),
    [
        ({"query": []}, 422, "query"),
        ({"query": "ab"}, 422, "query"),
        ({"query": ["a"] * 4}, 413, "query: expected at most 3 texts, got 4"),
        ({"product_descriptions": ["a"] * 201}, 413, "product_descriptions: expected at most 200 texts, got 201"),
        ({"product_descriptions": ["a", " \n"]}, 422, "product_descriptions.1: expected a text with at least one"),
        ({"query": ["a" * 10_001]}, 413, "query.0: expected at most 10000 characters, got 10001"),
        ({"threshold": 1.5}, 422, "threshold"),
        ({"top_k": 0}, 422, "top_k"),
        ({"topk": 3}, 422, "topk"),
    ],
)
async def test_what_cannot_be_compared_is_refused(
    running: RunningGateway, embedder: LetterEmbedder, changes: dict[str, Any], status: int, message: str
) -> None:
    answer = await running.http.post("/predict", json={"query": ["a"], "product_descriptions": ["b"], **changes})
    assert (answer.status_code, message in answer.json()["detail"]) == (status, True), answer.text
    assert embedder.texts == []


async def test_an_answer_that_would_be_too_large_is_refused(
    gateway_settings: SettingsFactory, embedder: LetterEmbedder
) -> None:
    request = {"query": ["a"] * 20, "product_descriptions": ["a" * 10_000] * 200}
    limits = {"gateway_max_json_bytes": 4_000_000}
    async with run_gateway(partial(gateway_settings, **limits), embedder=embedder) as gateway:
        answer = await gateway.http.post("/predict", json=request)
        assert (answer.status_code, "ask for a smaller top_k" in answer.json()["detail"]) == (413, True)
        assert (await gateway.http.post("/predict", json={**request, "top_k": 3})).status_code == 200


async def test_an_embedder_that_is_away_is_told(running: RunningGateway, embedder: LetterEmbedder) -> None:
    embedder.failure = UnavailableError("it loads its model")
    answer = await running.http.post("/predict", json={"query": ["a"], "product_descriptions": ["b"]})
    assert (answer.status_code, "it loads its model" in answer.json()["detail"]) == (503, True)


async def test_predictions_are_counted(running: RunningGateway) -> None:
    def value(name: str) -> float:
        return REGISTRY.get_sample_value(f"sightwire_gateway_similarity_{name}") or 0.0

    names = ("queries_total", "pairs_total", "score_count", "below_threshold_total")
    before = [value(name) for name in names]
    await predict(running, query=["ab", "c"], product_descriptions=["ab", "c", "d"], threshold=0.5)
    assert [value(name) - last for name, last in zip(names, before, strict=True)] == [2, 6, 6, 4]


async def test_the_client_compares(running: RunningGateway) -> None:
    async with AsyncSightwire(running.url) as sightwire:
        (result,) = (await sightwire.predict(["ab"], ["gh", "abab"], top_k=1)).results
    assert (result.query, [match.index for match in result.matches]) == ("ab", [1])
