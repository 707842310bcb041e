"""The nearest wrong answers: by vectors exactly, or among answers that somebody gave."""

import numpy as np

from sightwire_trainer.evaluation.ranks import BLOCK_BYTES, Matrix
from sightwire_trainer.negatives.alikeness import Alikeness, Rows

#: In the place of a wrong answer that does not exist.
NONE = -1


def nearest_wrong(
    queries: Matrix, documents: Matrix, alike: Alikeness, *, count: int, skip: int = 0, block_bytes: int = BLOCK_BYTES
) -> Rows:
    """For each query the `count` documents of highest inner product that are not alike its own, best first.

    `queries` and `documents` are float32 [samples, dimension], row by row of the samples of `alike`; the `skip` nearest
    wrong ones are passed over. The result, int64 [samples, count], ends with `NONE` where there are fewer.
    """
    found = np.full((len(queries), count), NONE, np.int64)
    kept = min(skip + count, len(documents))
    everything = np.arange(len(documents))
    block = max(1, block_bytes // max(1, 4 * len(documents)))
    for begin in range(0, len(queries), block):
        asking = np.arange(begin, min(begin + block, len(queries)))[:, None]
        scores = queries[asking[:, 0]] @ documents.T
        scores[alike.between(asking, everything)] = -np.inf
        best = np.argpartition(-scores, kept - 1, axis=1)[:, :kept]
        best_scores = np.take_along_axis(scores, best, axis=1)
        # Equals by their number, so that the order is the same wherever it is computed.
        order = np.lexsort((best, -best_scores), axis=1)
        ranked = np.where(np.isneginf(best_scores), NONE, best)
        wrong = np.take_along_axis(ranked, order, axis=1)[:, skip:]
        found[begin : begin + len(asking), : wrong.shape[1]] = wrong
    return found


def first_wrong(answers: Rows, alike: Alikeness, *, count: int, skip: int = 0) -> Rows:
    """For each sample the first `count` of its `answers`, int64 [samples, depth], that are not alike it, after `skip`.

    `NONE` among the answers is nobody. The result, int64 [samples, count], ends with `NONE` where there are fewer.
    """
    samples = np.arange(len(answers))[:, None]
    wrong = (answers != NONE) & ~alike.between(samples, answers)
    # A stable sort moves wrong answers to the front in their order.
    order = np.argsort(~wrong, axis=1, kind="stable")
    ranked = np.take_along_axis(np.where(wrong, answers, NONE), order, axis=1)[:, skip : skip + count]
    found = np.full((len(answers), count), NONE, np.int64)
    found[:, : ranked.shape[1]] = ranked
    return found
