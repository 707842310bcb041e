"""The whole measurement of one retrieval task, from vectors to measures with intervals."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sightwire_trainer.evaluation.intervals import (
    DEFAULT_CONFIDENCE,
    DEFAULT_RESAMPLES,
    Interval,
    bootstrap_intervals,
)
from sightwire_trainer.evaluation.measures import QueryMeasures, query_measures
from sightwire_trainer.evaluation.ranks import BLOCK_BYTES, Matrix, relevant_ranks


@dataclass(frozen=True, slots=True)
class RetrievalReport:
    """How well queries find their candidates."""

    candidates: int
    #: Of each query, in the order of the queries.
    by_query: QueryMeasures
    #: By the names in `measures.MEASURES`; empty when no resamples were asked for.
    intervals: dict[str, Interval]

    @property
    def queries(self) -> int:
        return len(self.by_query)

    @property
    def measures(self) -> dict[str, float]:
        """Every measure over all queries, by the names in `measures.MEASURES`."""
        return self.by_query.summary()


def evaluate_retrieval(
    queries: Matrix,
    candidates: Matrix,
    relevant: Sequence[AbstractSet[int] | Sequence[int]],
    *,
    itself: NDArray[np.int64] | None = None,
    resamples: int = DEFAULT_RESAMPLES,
    confidence: float = DEFAULT_CONFIDENCE,
    seed: int = 0,
    block_bytes: int = BLOCK_BYTES,
) -> RetrievalReport:
    """Exact measures of queries, float32 [q, d], among candidates, float32 [c, d], by inner product.

    `relevant` are the rows of candidates that answer each query; `itself`, int64 [q], is the row that is the query
    itself and is left out, or -1. Intervals come from `resamples` draws of the queries, none for 0.

    Raises `InvalidInputError` when sizes do not fit or a query has nothing to find.
    """
    rows = [sorted(answers) for answers in relevant]
    measures = query_measures(relevant_ranks(queries, candidates, rows, itself=itself, block_bytes=block_bytes))
    intervals = (
        bootstrap_intervals(measures, resamples=resamples, confidence=confidence, seed=seed) if resamples else {}
    )
    return RetrievalReport(len(candidates), measures, intervals)
