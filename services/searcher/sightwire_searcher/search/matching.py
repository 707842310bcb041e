"""The items that a query may find, segment by segment: live, past the filter, with the query's words if it has any."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sightwire_searcher.filters.columns import Mask
from sightwire_searcher.search.query import CheckedFilter
from sightwire_searcher.search.selections import Selections
from sightwire_searcher.snapshot import SegmentView, Snapshot


@dataclass(frozen=True, slots=True)
class MatchingItems:
    """Items of one segment; `segment` is its position in the snapshot."""

    segment: int
    view: SegmentView
    #: Item rows, ascending; int64 [n].
    rows: npt.NDArray[np.int64]


def matching_items(
    snapshot: Snapshot,
    selections: Selections,
    filter_: CheckedFilter | None,
    with_words: Sequence[Mask] | None = None,
) -> list[MatchingItems]:
    """Items that may be found, of every segment that has some.

    Args:
        with_words: bool [rows] per segment of the snapshot: the items that the query's words match; None for all.
    """
    matching = []
    for number, view in enumerate(snapshot.segments):
        choice = selections.items(view, filter_)
        if not choice.count:
            continue
        if with_words is not None:
            found = with_words[number]
            rows = np.flatnonzero(found & choice.selection.mask if choice.selection is not None else found)
        elif choice.selection is not None:
            rows = choice.selection.rows
        else:
            rows = np.arange(view.reader.rows)
        if len(rows):
            matching.append(MatchingItems(number, view, rows))
    return matching
