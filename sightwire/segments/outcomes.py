"""What an index holds of items after a commit, for telling them."""

from collections.abc import Sequence
from dataclasses import dataclass

from sightwire.segments.resolution import Change
from sightwire.segments.version_index import UNKNOWN, CurrentVersions, LiveSegment


@dataclass(frozen=True, slots=True)
class ItemOutcome:
    """What an index holds of an item; after a commit, the version may be another than the one that was committed."""

    id: str
    version: int
    deleted: bool
    #: Number of detected objects; 0 for a deleted item.
    objects: int


def outcomes_of_commit(
    winners: Sequence[Change], before: CurrentVersions, segments: Sequence[LiveSegment]
) -> list[ItemOutcome]:
    """One outcome for each of the changes that were resolved against `before`, in their order.

    Args:
        segments: those that `before` was looked up in.
    """
    outcomes: list[ItemOutcome] = []
    for position, change in enumerate(winners):
        if change.version > before.versions[position]:
            objects = 0 if change.item is None else len(change.item.objects)
            outcomes.append(ItemOutcome(change.id, change.version, change.item is None, objects))
        else:
            outcomes.append(_known_outcome(change.id, before, position, segments))
    return outcomes


def known_outcomes(ids: Sequence[str], known: CurrentVersions, segments: Sequence[LiveSegment]) -> list[ItemOutcome]:
    """What is known of each id; ids that the index does not know are left out."""
    return [
        _known_outcome(item_id, known, position, segments)
        for position, item_id in enumerate(ids)
        if known.versions[position] != UNKNOWN
    ]


def _known_outcome(item_id: str, known: CurrentVersions, position: int, segments: Sequence[LiveSegment]) -> ItemOutcome:
    version = int(known.versions[position])
    if known.is_tombstone[position]:
        return ItemOutcome(item_id, version, deleted=True, objects=0)
    offsets = segments[int(known.segments[position])].reader.object_offsets
    row = int(known.rows[position])
    return ItemOutcome(item_id, version, deleted=False, objects=int(offsets[row + 1] - offsets[row]))
