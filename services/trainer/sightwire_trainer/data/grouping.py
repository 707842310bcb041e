"""Rearranges the order of an epoch so that samples come with their hard negatives."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


def grouped(order: Rows, ends: Sequence[int], negatives: Rows, brings: NDArray[np.bool_]) -> Rows:
    """The samples of `order`, int64 [samples of the epoch], with hard negatives in the same batches.

    A batch reaches to the next of `ends`, the last of which is the end of `order`. In its order, each sample that
    `brings` (bool [all samples]) some takes its `negatives` (int64 [all samples, at most], below 0: none) with it,
    as far as they have not come yet in this epoch and there is room in the batch. Every sample still comes once.
    """
    has_come = np.ones(len(negatives), np.bool_)
    has_come[order] = False
    come, bring = has_come.tolist(), brings.tolist()
    arranged: list[int] = []
    waiting = iter(order.tolist())
    for end in ends:
        while len(arranged) < end:
            sample = next(waiting)
            if come[sample]:
                continue
            arranged.append(sample)
            come[sample] = True
            if not bring[sample]:
                continue
            for negative in negatives[sample].tolist():
                if len(arranged) < end and negative >= 0 and not come[negative]:
                    arranged.append(negative)
                    come[negative] = True
    return np.array(arranged, np.int64)
