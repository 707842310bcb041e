"""What an approximate index loses of an exact search, by the same measures."""

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from sightwire_trainer.evaluation.encoding import TaskVectors
from sightwire_trainer.evaluation.intervals import Interval, paired_intervals
from sightwire_trainer.evaluation.measures import QueryMeasures, query_measures
from sightwire_trainer.evaluation.ranks import Matrix, RelevantRanks, nearest
from sightwire_trainer.evaluation.task import RetrievalTask

#: How many answers are asked for; what lies deeper counts as found last of all.
DEPTH: Final = 100
_OVERLAP_DEPTH: Final = 10

Rows = NDArray[np.int64]


class CandidateIndex(Protocol):
    """An index over the candidates of a task."""

    def search(self, queries: Matrix, k: int) -> Rows:
        """Rows of the nearest candidates of each query, best first, int64 [queries, k]; -1 where fewer were found."""
        ...


@dataclass(frozen=True, slots=True)
class IndexReport:
    """A task through an index, against exact search of the same depth."""

    depth: int
    by_query: QueryMeasures
    #: Index minus exact: a negative share is lost by the approximation.
    differences: dict[str, Interval]
    #: Share of the exact ten nearest that the index finds among its ten.
    overlap_at_10: float


def search_through(
    index: CandidateIndex, vectors: TaskVectors, task: RetrievalTask, *, depth: int = DEPTH, resamples: int = 2000
) -> IndexReport:
    """Searches the task's candidates, of which `index` was made in their order, and compares with exact search."""
    queries, candidates = vectors.of(task.queries), vectors.of(task.candidates)
    exact = nearest(queries, candidates, depth, itself=task.itself)
    found = index.search(queries, min(depth + (task.itself is not None), len(candidates)))
    if task.itself is not None:
        found = _without_itself(found, task.itself)[:, :depth]
    through_index = query_measures(ranks_of_hits(found, task.relevant, len(candidates)))
    exactly = query_measures(ranks_of_hits(exact, task.relevant, len(candidates)))
    differences = paired_intervals(through_index, exactly, resamples=resamples)
    return IndexReport(depth, through_index, differences, _overlap(found, exact, _OVERLAP_DEPTH))


def ranks_of_hits(hits: Rows, relevant: tuple[tuple[int, ...], ...], candidates: int) -> RelevantRanks:
    """Ranks of the relevant candidates among `hits`, int64 [queries, depth]; those that are missing are last of all."""
    ranks = []
    for row, answers in zip(hits, relevant, strict=True):
        (places,) = np.nonzero(np.isin(row, answers))
        ranks.append(np.concatenate([places + 1.0, np.full(len(answers) - len(places), float(candidates))]))
    offsets = np.concatenate([[0], np.cumsum([len(answers) for answers in relevant], dtype=np.int64)])
    return RelevantRanks(np.concatenate(ranks), offsets)


def _without_itself(hits: Rows, itself: Rows) -> Rows:
    """The same rows without the query's own, moved up; the end is filled with -1."""
    is_own = hits == itself[:, np.newaxis]
    order = np.argsort(is_own, axis=1, kind="stable")
    return np.take_along_axis(np.where(is_own, -1, hits), order, axis=1)


def _overlap(found: Rows, exact: Rows, depth: int) -> float:
    shared = [
        len(np.intersect1d(row[:depth], best[:depth])) / min(depth, len(best))
        for row, best in zip(found, exact, strict=True)
    ]
    return float(np.mean(shared))
