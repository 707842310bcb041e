"""Rearranges the order of an epoch so that samples of one concept come one after another."""

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


def neighbours(order: Rows, labels: Rows, at_most: int) -> Rows:
    """The samples of `order`, int64 [samples of the epoch], in which up to `at_most` of one concept are side by side.

    `labels`, int64 [all samples], are equal where the concept is. The others of a group come to where its first one is.
    """
    ordered = labels[order]
    by_label = np.argsort(ordered, kind="stable")
    places = np.arange(len(order))
    begins_label = np.diff(ordered[by_label], prepend=-1) != 0
    rank = places - np.maximum.accumulate(np.where(begins_label, places, 0))
    first_of_group = np.empty_like(places)
    first_of_group[by_label] = by_label[places - rank % at_most]
    return order[np.argsort(first_of_group, kind="stable")]
