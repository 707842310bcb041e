"""Which vectors of a segment a filter and the deletions leave, and which items match words; evaluated once and kept."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

import numpy as np

from sightwire.segments.reader import SegmentReader
from sightwire.segments.selection import Selection
from sightwire.segments.vector_indexes.gathered import GatheredVectors
from sightwire_searcher.filters.columns import Mask
from sightwire_searcher.filters.item_masks import item_mask
from sightwire_searcher.filters.object_masks import object_mask
from sightwire_searcher.filters.pruning import Coverage, coverage
from sightwire_searcher.search.query import CheckedFilter
from sightwire_searcher.search.text_matching import text_mask
from sightwire_searcher.search.text_query import CheckedTextQuery
from sightwire_searcher.selection_cache import SelectionCache
from sightwire_searcher.snapshot import SegmentView, Snapshot

#: In place of a field's name: the items themselves. No field can be called so.
_ITEMS: Final = ""
#: Before the key of a selection: the copy of its vectors.
_GATHERED: Final = "gathered"


@dataclass(frozen=True, slots=True)
class Choice:
    """What of a segment may be found.

    `selection` is None when everything may; `count` is the number of vectors (or items) that may; `pruned` says that
    the segment's time range alone ruled all of it out; `gathered` is a copy of the selected vectors, if there is one.
    """

    selection: Selection | None
    count: int
    pruned: bool = False
    gathered: GatheredVectors | None = None
    #: The key of a selection that had been evaluated before; None for one that was not.
    kept_as: Hashable = None


class Selections:
    """Evaluates filters over segments, through a cache."""

    def __init__(self, cache: SelectionCache) -> None:
        self._cache = cache

    def vectors(
        self, view: SegmentView, field: str, filter_: CheckedFilter | None, *, k: int, ef_search: int
    ) -> Choice:
        """Vectors of `field` that may be found, for a search of `k` of them with so many candidates in a graph.

        What is selected a second time is copied, if searches of it gain by that: filters that are used once are many.
        """
        index = view.reader.fields[field]
        per_object = index.description.per_object
        choice = self._choose(view, field, filter_, total=index.rows, per_object=per_object)
        selection = choice.selection
        if selection is None or choice.kept_as is None:
            return choice
        key = _GATHERED, choice.kept_as
        if key not in self._cache:
            pays = index.gains_by_gathering(selection, k, ef_search=ef_search)
            if not pays or not self._cache.takes_copy_of(index.gathered_bytes(selection)):
                return choice
        return Choice(selection, choice.count, gathered=self._cache.get(key, lambda: index.gather(selection)))

    def items(self, view: SegmentView, filter_: CheckedFilter | None) -> Choice:
        """Items that may be found; rows of the selection are item rows."""
        return self._choose(view, _ITEMS, filter_, total=view.reader.rows, per_object=False)

    def with_words(self, snapshot: Snapshot, text: CheckedTextQuery) -> list[Mask]:
        """Per segment of the snapshot the items that a text query matches, deleted ones included; bool [rows] each."""
        key = text.matching_key

        def mask(reader: SegmentReader) -> Mask:
            return self._cache.get((reader.id, key), lambda: Selection(text_mask(reader, text))).mask

        return [mask(view.reader) for view in snapshot.segments]

    def _choose(
        self, view: SegmentView, field: str, filter_: CheckedFilter | None, *, total: int, per_object: bool
    ) -> Choice:
        if total == 0:
            return Choice(None, 0)
        if filter_ is not None and view.time_bounds is not None:
            match coverage(filter_.message, view.time_bounds):
                case Coverage.NONE:
                    return Choice(None, 0, pruned=True)
                case Coverage.ALL:
                    filter_ = None
        if filter_ is None and view.live is None:
            return Choice(None, total)

        def evaluate() -> Selection:
            mask = _object_rows(view, filter_) if per_object else _item_rows(view, filter_)
            return view.reader.select(field, mask) if field != _ITEMS else Selection(mask)

        key = _key(view, field, filter_)
        was_kept = key in self._cache
        selection = self._cache.get(key, evaluate)
        return Choice(
            selection=None if selection.is_everything else selection,
            count=selection.count,
            kept_as=key if was_kept else None,
        )


def _key(view: SegmentView, field: str, filter_: CheckedFilter | None) -> Hashable:
    return view.key, field, filter_.key if filter_ is not None else b""


def object_rows(view: SegmentView, filter_: CheckedFilter | None) -> Mask:
    """Objects that may be found; bool [objects]."""
    return _object_rows(view, filter_)


def _item_rows(view: SegmentView, filter_: CheckedFilter | None) -> Mask:
    if filter_ is None:
        return view.live if view.live is not None else np.ones(view.reader.rows, dtype=np.bool_)
    mask = item_mask(view.reader, filter_.message)
    return mask if view.live is None else mask & view.live


def _object_rows(view: SegmentView, filter_: CheckedFilter | None) -> Mask:
    item_rows = view.reader.object_item_rows
    if filter_ is None:
        return view.live[item_rows] if view.live is not None else np.ones(len(item_rows), dtype=np.bool_)
    mask = object_mask(view.reader, filter_.message)
    return mask if view.live is None else mask & view.live[item_rows]
