"""Compares texts with texts, in the space that embedders mean where none is named."""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

import numpy as np
import orjson
from numpy.typing import NDArray

from sightwire.contracts.models import ModelId
from sightwire.errors import InvalidInputError, SightwireError, TooLargeError, UnavailableError
from sightwire_gateway import similarity_metrics
from sightwire_gateway.backends import EmbedderClient
from sightwire_gateway.predict_requests import PredictRequest
from sightwire_gateway.settings import GatewaySettings
from sightwire_gateway.similarity import SCORE_DIGITS, Comparison, Scores, compare

#: Every query repeats the descriptions that it is answered with.
_MAX_ANSWER_CHARACTERS: Final = 32 * 1024 * 1024
#: A model that is switched off, and unloaded, between two calls is a rare thing.
_ATTEMPTS: Final = 3


class ProductSimilarity:
    """Answers with the descriptions nearest to each query."""

    def __init__(self, embedder: EmbedderClient) -> None:
        self._embedder = embedder

    async def predict(self, request: PredictRequest, settings: GatewaySettings) -> bytes:
        """JSON of a PredictAnswer. All texts are compared by one and the same model.

        Raises:
            InvalidInputError: a text without anything visible in it.
            TooLargeError: more texts, or longer ones, than the settings allow.
            UnavailableError: the embedder does not answer.
        """
        check_texts(request, settings)
        started = time.perf_counter()
        queries = len(request.query)
        model, vectors = await self._embed([*request.query, *request.product_descriptions])
        # In a thread: there may be a hundred thousand pairs.
        comparison, results = await asyncio.to_thread(_compared, request, vectors[:queries], vectors[queries:])
        seconds = time.perf_counter() - started
        similarity_metrics.count(comparison, seconds)
        return orjson.dumps(
            {
                "results": orjson.Fragment(results),
                "model": {"name": model[0].name, "version": model[0].version},
                "space": model[1],
                "took_ms": round(seconds * 1000, 3),
            }
        )

    async def _embed(self, texts: Sequence[str]) -> tuple[tuple[ModelId, str], NDArray[np.float32]]:
        """Model and space that are meant now, and the vectors of `texts`, float32 [texts, dimension]."""
        last_space = None
        for _ in range(_ATTEMPTS):
            described = await self._embedder.describe_model()
            try:
                found = await self._embedder.embed_texts(texts, space=described.space)
            except SightwireError:
                # It may have been unloaded since it was described; then another one is meant by now.
                if described.space == last_space:
                    raise
                last_space = described.space
                continue
            if all(space == described.space for _, space in found):
                model = ModelId(name=described.name, version=described.version)
                return (model, described.space), np.stack([np.frombuffer(vector, "<f4") for vector, _ in found])
        raise UnavailableError("the embedders are changing their model; try again")


def check_texts(request: PredictRequest, settings: GatewaySettings) -> None:
    """Refuses what takes too long to embed, and what cannot be.

    Raises:
        InvalidInputError: a text without anything visible in it.
        TooLargeError: more texts, or longer ones, than the settings allow.
    """
    limits = {
        "query": (request.query, settings.gateway_max_predict_queries),
        "product_descriptions": (request.product_descriptions, settings.gateway_max_predict_descriptions),
    }
    for name, (texts, most) in limits.items():
        if len(texts) > most:
            raise TooLargeError(
                f"{name}: expected at most {most} texts, got {len(texts)}; send them in several requests"
            )
        for index, text in enumerate(texts):
            if len(text) > settings.gateway_max_query_characters:
                raise TooLargeError(
                    f"{name}.{index}: expected at most {settings.gateway_max_query_characters} characters, "
                    f"got {len(text)}"
                )
            if not text.strip():
                raise InvalidInputError(f"{name}.{index}: expected a text with at least one visible character")
    longest = sorted(map(len, request.product_descriptions), reverse=True)[: request.top_k]
    if len(request.query) * sum(longest) > _MAX_ANSWER_CHARACTERS:
        raise TooLargeError(
            f"the answer could have {len(request.query) * sum(longest)} characters of descriptions, and may have "
            f"{_MAX_ANSWER_CHARACTERS}; ask for a smaller top_k, or for fewer queries at once"
        )


def _compared(
    request: PredictRequest, queries: NDArray[np.float32], descriptions: NDArray[np.float32]
) -> tuple[Comparison, bytes]:
    """The comparison, and JSON of its QueryMatches."""
    comparison = compare(queries, descriptions, threshold=request.threshold, top_k=request.top_k)
    texts = request.product_descriptions
    results = [
        {
            "query": query,
            "matches": [
                {"index": index, "product_description": texts[index], "score": score}
                for index, score in zip(positions.tolist(), _shown(scores), strict=True)
            ],
        }
        for query, (positions, scores) in zip(request.query, comparison.ranked, strict=True)
    ]
    return comparison, orjson.dumps(results)


def _shown(scores: Scores) -> list[float]:
    # Once more: float32 has no decimals.
    rounded: list[float] = np.round(scores.astype(np.float64), SCORE_DIGITS).tolist()
    return rounded
