"""Pages that fit together: no result twice, none left out, however deep one pages in one manifest version.

A deeper search may order the first results differently: a graph walk with more candidates finds more, and fused ranks
reach farther. So the sequence of all results is defined in steps: the first k come from a search of depth k, the next
3k from one of depth 4k without those, and so on. Any page is a piece of that one sequence.
"""

from collections.abc import Sequence
from typing import Final

from sightwire_searcher.search.fusion import FusedItem, FusedRanking

_STEP_FACTOR: Final = 4


def step_ends(k: int, offset: int) -> list[int]:
    """Depths of the searches that the page of `k` results after `offset` needs, ascending."""
    ends = [k]
    while ends[-1] < offset + k:
        ends.append(ends[-1] * _STEP_FACTOR)
    return ends


def joined(rankings: Sequence[FusedRanking], ends: Sequence[int]) -> list[FusedItem]:
    """The sequence of results as far as the last ranking reaches; one ranking per step."""
    if len(rankings) == 1:
        return rankings[0].items
    sequence: list[FusedItem] = []
    seen: set[str] = set()
    last = len(rankings) - 1
    for step, (ranking, end) in enumerate(zip(rankings, ends, strict=True)):
        for item in ranking.items:
            if step < last and len(sequence) == end:
                break
            if item.found.item_id not in seen:
                seen.add(item.found.item_id)
                sequence.append(item)
    return sequence
