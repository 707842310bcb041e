"""Decides what a batch of changes means for an index: an item's highest version wins, whatever order they come in."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sightwire.segments.batch import IndexedItem, Tombstone
from sightwire.segments.version_index import CurrentVersions


@dataclass(frozen=True, slots=True)
class Change:
    """An item put or, without `item`, deleted. `version` is at least 1."""

    id: str
    version: int
    item: IndexedItem | None


@dataclass(frozen=True, slots=True)
class Resolution:
    """What to write. A change that is not in here lost to a higher version, or repeats the one that is there."""

    items: list[IndexedItem]
    tombstones: list[Tombstone]
    #: Rows that stop counting, by position of their segment.
    superseded: Mapping[int, list[int]]


def winning_changes(changes: Sequence[Change]) -> dict[str, Change]:
    """The change with the highest version for each id; the first of equals."""
    winners: dict[str, Change] = {}
    for change in changes:
        winner = winners.get(change.id)
        if winner is None or change.version > winner.version:
            winners[change.id] = change
    return winners


def resolve(winners: Sequence[Change], current: CurrentVersions) -> Resolution:
    """Compares one change per id with what the index holds.

    Args:
        winners: changes with distinct ids.
        current: what is known of those ids, in the same order.
    """
    items: list[IndexedItem] = []
    tombstones: list[Tombstone] = []
    superseded: defaultdict[int, list[int]] = defaultdict(list)
    for position, change in enumerate(winners):
        if change.version <= current.versions[position]:
            continue
        if change.item is not None:
            items.append(change.item)
        else:
            # Kept even for an id that the index does not know: its put may still be on the way.
            tombstones.append(Tombstone(change.id, change.version))
        if current.rows[position] >= 0:
            superseded[int(current.segments[position])].append(int(current.rows[position]))
    return Resolution(items=items, tombstones=tombstones, superseded=superseded)
