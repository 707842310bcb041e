"""Gate: searches through the indexes find what a comparison with every vector finds.

Queries lie near stored vectors but are none, as those of users. A result counts if it is as near as the last of the
exact results, so that it does not matter which of several equal vectors was found.
"""

from typing import Final

import numpy as np

from sightwire.contracts.collections import Metric
from sightwire.contracts.validation import GateReport
from sightwire.segments.vectors import Matrix, normalized
from sightwire_indexer.validation.sampling import sampled_vectors, seeded
from sightwire_indexer.validation.searching import Found, GenerationSearch
from sightwire_indexer.validation.trial import Trial, batches, gate_report

_BATCH: Final = 16
#: Distance of a query from the vector that it was made from, in lengths of that vector.
_DISTANCE: Final = 0.1


def recall(trial: Trial) -> GateReport:
    """Compares the answers to a sample of queries in each field."""
    recalls: dict[str, float] = {}
    failures: list[str] = []
    wanted = trial.thresholds.min_recall
    for field in trial.fields:
        owners, queries = queries_near_vectors(trial.candidate, field, trial.thresholds.sample)
        values: list[float] = []
        short: list[str] = []
        for batch in batches(range(len(queries)), _BATCH):
            trial.go_on()
            part = queries[batch[0] : batch[-1] + 1]
            found = trial.candidate.search(field, part, trial.thresholds.k)
            expected = trial.candidate.search(field, part, trial.thresholds.k, exact=True)
            for number, answer, exact in zip(batch, found, expected, strict=True):
                values.append(_recall(trial.candidate, field, queries[number], answer, exact))
                if values[-1] < wanted:
                    short.append(
                        f"field {field!r}, near item {owners[number]!r}: recall {values[-1]:.2f}; "
                        + _difference(trial.candidate, field, answer, exact)
                    )
        if not values:
            continue
        recalls[field] = float(np.mean(values))
        if recalls[field] < wanted:
            failures += short
    worst = min(recalls.values(), default=1.0)
    return gate_report(
        "recall",
        f"recall@{trial.thresholds.k} is {worst:.3f}, at least {wanted:.3f} is wanted in every field",
        {"recall": recalls, "k": trial.thresholds.k},
        failures,
        passed=worst >= wanted,
    )


def queries_near_vectors(search: GenerationSearch, field: str, count: int) -> tuple[list[str], Matrix]:
    """Queries near stored vectors, float32 [n, dimension], and the item near which each of them is."""
    column = search.schema.vector(field)
    targets = sampled_vectors(search, field, count)
    if not targets:
        return [], np.empty((0, column.dimension), dtype=np.float32)
    vectors = search.matrix(field, targets)
    directions = normalized(seeded(search.generation.name, "queries", field).standard_normal(vectors.shape, np.float32))
    queries = vectors + _DISTANCE * np.linalg.norm(vectors, axis=1, keepdims=True) * directions
    owners = [search.item_id(field, target) for target in targets]
    return owners, normalized(queries) if column.metric is Metric.COSINE else queries


def _recall(search: GenerationSearch, field: str, query: Matrix, answer: list[Found], exact: list[Found]) -> float:
    """Share of the exact results' number that was found, each as near as the last of them."""
    if not exact:
        return 1.0
    limit = search.true_score(field, query, exact[-1].target)
    scores = (search.true_score(field, query, target).value for target in {found.target for found in answer})
    return sum(score >= limit.value - limit.tolerance for score in scores) / len(exact)


def _difference(search: GenerationSearch, field: str, answer: list[Found], exact: list[Found]) -> str:
    there = {found.target for found in answer}
    wanted = {found.target for found in exact}
    lacking = [search.item_id(field, found.target) for found in exact if found.target not in there]
    instead = [search.item_id(field, found.target) for found in answer if found.target not in wanted]
    return f"{', '.join(lacking)} did not come, but {', '.join(instead) or 'nothing'} did"
