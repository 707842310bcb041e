"""Where the relevant candidates of each query end up when all candidates are ordered by their score."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sightwire.errors import InvalidInputError, InvalidVectorError

Matrix = NDArray[np.float32]

#: Memory that the scores of one block of queries may take, in bytes.
BLOCK_BYTES: Final = 64 * 1024**2
#: Scores of a query are told apart in so many steps of its largest: a matrix product rounds equal vectors' scores
#: differently, and what only rounding tells apart is a tie.
_SCORE_STEPS: Final = np.float32(2**20)


@dataclass(frozen=True, slots=True)
class RelevantRanks:
    """Ranks of all relevant candidates, query by query; the best possible rank is 1.

    Candidates of equal score take their places in any order, and a rank is what is expected over all of them: alone
    among `t` equals after `a` better ones a relevant candidate has rank a + (t + 1) / 2, the i-th of r has
    a + i (t + 1) / (r + 1). A model that gives everything the same score thus gains nothing by it.
    """

    #: float64 [relevant of all queries], rising within each query.
    ranks: NDArray[np.float64]
    #: int64 [queries + 1]: the ranks of query q are those from offsets[q] to offsets[q + 1].
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def first(self) -> NDArray[np.float64]:
        """Rank of each query's best relevant candidate, float64 [queries]."""
        return self.ranks[self.offsets[:-1]]


def relevant_ranks(
    queries: Matrix,
    candidates: Matrix,
    relevant: Sequence[Sequence[int]],
    *,
    itself: NDArray[np.int64] | None = None,
    block_bytes: int = BLOCK_BYTES,
) -> RelevantRanks:
    """Exact ranks by inner product, of queries [q, d] among candidates [c, d], in memory bounded by `block_bytes`.

    `relevant` has the rows of candidates that answer each query, at least one; `itself`, int64 [q], has the row that is
    the query itself and does not count, or -1.

    Raises `InvalidInputError` when the sizes do not fit or a query has nothing to find.
    """
    found = [np.unique(np.asarray(rows, np.int64)) for rows in relevant]
    _check(queries, candidates, found, itself)
    ranks = [
        _ranks_in_row(scores, ordered, found[query])
        for query, scores, ordered in _ordered_scores(queries, candidates, itself, block_bytes)
    ]
    offsets = np.concatenate([[0], np.cumsum([len(rows) for rows in found], dtype=np.int64)])
    return RelevantRanks(np.concatenate(ranks), offsets)


def nearest(
    queries: Matrix,
    candidates: Matrix,
    k: int,
    *,
    itself: NDArray[np.int64] | None = None,
    block_bytes: int = BLOCK_BYTES,
) -> NDArray[np.int64]:
    """Rows of the `k` best candidates of each query, best first: int64 [queries, at most k]."""
    kept = min(k, len(candidates))
    best = np.empty((len(queries), kept), np.int64)
    for start, scores in _scores(queries, candidates, itself, block_bytes):
        part = np.argpartition(-scores, kept - 1, axis=1)[:, :kept]
        order = np.argsort(-np.take_along_axis(scores, part, axis=1), axis=1, kind="stable")
        best[start : start + len(scores)] = np.take_along_axis(part, order, axis=1)
    return best


def _scores(
    queries: Matrix, candidates: Matrix, itself: NDArray[np.int64] | None, block_bytes: int
) -> Iterator[tuple[int, Matrix]]:
    """First query and scores, float32 [queries of the block, candidates], of one block after the other."""
    rows = max(1, block_bytes // max(1, 4 * len(candidates)))
    for start in range(0, len(queries), rows):
        scores = queries[start : start + rows] @ candidates.T
        largest = np.abs(scores).max(axis=1, keepdims=True)
        scores *= np.divide(_SCORE_STEPS, largest, out=np.ones_like(largest), where=largest > 0)
        np.rint(scores, out=scores)
        if itself is not None:
            own = itself[start : start + rows]
            (with_own,) = np.nonzero(own >= 0)
            scores[with_own, own[with_own]] = -np.inf
        yield start, scores


def _ordered_scores(
    queries: Matrix, candidates: Matrix, itself: NDArray[np.int64] | None, block_bytes: int
) -> Iterator[tuple[int, Matrix, Matrix]]:
    """Of each query: its number, its scores by candidate, and the same rising."""
    # Half of the memory is for the ordered copy.
    for start, scores in _scores(queries, candidates, itself, block_bytes // 2):
        ordered = np.sort(scores, axis=1)
        for row in range(len(scores)):
            yield start + row, scores[row], ordered[row]


def _ranks_in_row(scores: Matrix, ordered: Matrix, relevant: NDArray[np.int64]) -> NDArray[np.float64]:
    own = -np.sort(-scores[relevant])
    below = np.searchsorted(ordered, own, side="left")
    above = len(ordered) - np.searchsorted(ordered, own, side="right")
    tied = len(ordered) - above - below
    _, starts, group, members = np.unique(above, return_index=True, return_inverse=True, return_counts=True)
    place = np.arange(len(own)) - starts[group] + 1
    return above + place * (tied + 1) / (members[group] + 1)


def _check(
    queries: Matrix, candidates: Matrix, relevant: list[NDArray[np.int64]], itself: NDArray[np.int64] | None
) -> None:
    if queries.ndim != 2 or candidates.ndim != 2 or queries.shape[1] != candidates.shape[1]:
        raise InvalidInputError(
            f"expected queries [q, d] and candidates [c, d] of one space, got {queries.shape} and {candidates.shape}"
        )
    if not len(queries):
        raise InvalidInputError("expected at least one query; the set has none with an answer")
    if len(relevant) != len(queries) or (itself is not None and len(itself) != len(queries)):
        raise InvalidInputError(f"expected the relevant candidates of {len(queries)} queries, got {len(relevant)}")
    for query, rows in enumerate(relevant):
        if not len(rows) or rows[0] < 0 or rows[-1] >= len(candidates):
            raise InvalidInputError(
                f"query {query}: expected relevant rows of 0 to {len(candidates) - 1}, at least one, got {rows[:5]}"
            )
        if itself is not None and itself[query] in rows:
            raise InvalidInputError(f"query {query}: the query itself cannot be what it is to find")
    for name, vectors in (("queries", queries), ("candidates", candidates)):
        if not np.isfinite(vectors).all():
            raise InvalidVectorError(f"expected finite vectors, the {name} have NaN or infinity in them")
