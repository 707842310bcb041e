"""The best hits of each value of a metadata field, from any ranking that can be had to any depth."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from sightwire.contracts.collections import CollectionRecord
from sightwire.errors import InvalidInputError
from sightwire.v1 import searcher_pb2
from sightwire_searcher.search.fusion import FusedItem, FusedRanking
from sightwire_searcher.search.paging import joined
from sightwire_searcher.search.query import GroupTarget
from sightwire_searcher.search.rankings import Found, values_of_found
from sightwire_searcher.search.value_fields import check_single_valued
from sightwire_searcher.snapshot import Snapshot

MAX_SIZE: Final = 100
#: How deep a ranking is searched: a group may just have fewer hits than it could show.
MAX_DEPTH: Final = 10_000
_HITS_PER_WANTED: Final = 4
_WIDENING: Final = 4

#: Values of a metadata field for items of the snapshot, None where an item has none.
ValuesOf = Callable[[Sequence[Found]], list[object]]


class Group(NamedTuple):
    """The best hits with one value, best first."""

    value: object
    items: list[FusedItem]


@dataclass(frozen=True, slots=True)
class GroupPage:
    """Some groups, by their best hit; `more`: there may be others after them."""

    groups: list[Group]
    more: bool


def checked_group(request: searcher_pb2.GroupBy, record: CollectionRecord, *, k: int) -> GroupTarget:
    """What a grouping of `k` groups asks for.

    Raises:
        InvalidInputError: the collection has no such field, it has lists of values, or groups are to be too large.
    """
    if request.size > MAX_SIZE:
        raise InvalidInputError(f"a group shows up to {MAX_SIZE} hits, got {request.size}")
    if k * request.size > MAX_DEPTH:
        raise InvalidInputError(f"groups show up to {MAX_DEPTH} hits together, got {k} groups of {request.size}")
    check_single_valued(record, request.field, "group by")
    return GroupTarget(request.field, request.size or 1)


def find_groups(
    rank: Callable[[int], FusedRanking], values_of: ValuesOf, *, k: int, offset: int, size: int
) -> GroupPage:
    """The `k` groups after `offset`, each with its best `size` hits.

    The ranking is searched deeper until these groups are full, everything was seen, or `MAX_DEPTH` is reached. As with
    pages of hits, deeper searches add to what shallower ones found and do not reorder it, so that pages fit together.

    Args:
        rank: the ranking to a depth.
        values_of: the values to group by.
    """
    depth = min(k * size * _HITS_PER_WANTED, MAX_DEPTH)
    depths: list[int] = []
    rankings: list[FusedRanking] = []
    wanted = offset + k
    while True:
        depths.append(depth)
        rankings.append(rank(depth))
        complete = rankings[-1].complete
        items = joined(rankings, depths)
        groups = _grouped(items if complete else items[:depth], values_of, size)
        is_enough = len(groups) > wanted and all(len(group.items) == size for group in groups[:wanted])
        if complete or is_enough or depth >= MAX_DEPTH:
            return GroupPage(groups[offset:wanted], more=len(groups) > wanted or not complete)
        depth = min(depth * _WIDENING, MAX_DEPTH)


def metadata_values(snapshot: Snapshot, field: str) -> ValuesOf:
    """Reads a metadata field, the items of a segment together."""

    def read(segment: int, rows: list[int]) -> list[object]:
        return list(snapshot.segments[segment].reader.metadata(field).take(rows).to_pylist())

    return functools.partial(values_of_found, read=read)


def _grouped(items: Sequence[FusedItem], values_of: ValuesOf, size: int) -> list[Group]:
    groups: dict[object, Group] = {}
    values = values_of([item.found for item in items])
    for item, value in zip(items, values, strict=True):
        group = groups.setdefault(value, Group(value, []))
        if len(group.items) < size:
            group.items.append(item)
    return list(groups.values())
