"""Fusion by mean score: every item is judged by all fields that it has."""

import numpy as np
import pytest

from services.searcher.tests.building import indexed_item, object_field, user_field
from services.searcher.tests.conftest import CreateCollection, RunningSearcher
from sightwire.contracts.collections import Metric
from sightwire.v1 import searcher_pb2 as pb

DIMENSION = 16
ITEMS = 400
FIELDS = ("image", "text")


def unit(vector: np.ndarray) -> np.ndarray:
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


def field_query(field: str, vector: np.ndarray, weight: float = 1.0) -> pb.FieldQuery:
    return pb.FieldQuery(field=field, vector=vector.astype("<f4").tobytes(), weight=weight)


@pytest.mark.parametrize("weights", [(1.0, 1.0), (3.0, 0.5)])
async def test_the_ranking_is_that_of_the_mean_over_the_fields_that_an_item_has(
    searcher: RunningSearcher, create_collection: CreateCollection, weights: tuple[float, float]
) -> None:
    chance = np.random.default_rng(7)
    vectors: dict[str, dict[str, np.ndarray]] = {}
    for number in range(ITEMS):
        held = FIELDS[number % 3 : number % 3 + 1] or FIELDS
        vectors[f"item-{number:03}"] = {field: unit(chance.normal(size=DIMENSION)) for field in held}
    created = await create_collection(fields={field: user_field(DIMENSION) for field in FIELDS})
    names = list(vectors)
    for version, part in enumerate((names[:150], names[150:]), start=1):
        await created.writer.commit([indexed_item(name, vectors=vectors[name]) for name in part])
        await searcher.has_announced(created.record, version)

    question = unit(chance.normal(size=DIMENSION))
    response = await searcher.stub.Search(
        pb.SearchRequest(
            collection=created.record.name,
            queries=[field_query(field, question, weight) for field, weight in zip(FIELDS, weights, strict=True)],
            k=20,
            fusion=pb.FUSION_MEAN_SCORE,
        )
    )

    def mean(name: str) -> float:
        held = [
            (weight, vectors[name][field])
            for field, weight in zip(FIELDS, weights, strict=True)
            if field in vectors[name]
        ]
        return sum(weight * float(vector @ question) for weight, vector in held) / sum(weight for weight, _ in held)

    expected = sorted(names, key=mean, reverse=True)[:20]
    assert [hit.item_id for hit in response.hits] == expected
    for hit in response.hits:
        assert hit.score == pytest.approx(mean(hit.item_id), abs=1e-5)
        for part in hit.field_scores:
            stored = vectors[hit.item_id].get(part.field)
            assert part.score == pytest.approx(0.0 if stored is None else float(stored @ question), abs=1e-5)


async def test_scores_that_mean_different_things_are_not_averaged(
    searcher: RunningSearcher, create_collection: CreateCollection
) -> None:
    created = await create_collection(
        fields={
            "flat": user_field(DIMENSION, Metric.L2),
            "object": object_field(DIMENSION),
            "text": user_field(DIMENSION),
        }
    )
    for field in ("flat", "object"):
        request = pb.SearchRequest(
            collection=created.record.name,
            queries=[field_query(field, np.ones(DIMENSION)), field_query("text", np.ones(DIMENSION))],
            k=1,
            fusion=pb.FUSION_MEAN_SCORE,
        )
        with pytest.raises(Exception, match=f"field '{field}'.*fuse by reciprocal rank"):
            await searcher.stub.Search(request)
