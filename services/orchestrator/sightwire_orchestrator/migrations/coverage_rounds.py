"""Whether a shadow has all items, by comparing again and again while others put and delete items; pure.

Each item is followed on its own, by its versions. How many items differ says nothing: while others put items there may
be as many of them each time, and each time others.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Final

from sightwire.contracts.migrations import Coverage, DifferingItem

#: What does not get into the shadow is not sent again each time: it may be slow, or a dead letter each time.
_ROUNDS_A_REPETITION: Final = 5


class Verdict(Enum):
    """What follows from a comparison."""

    COMPLETE = auto()
    AGAIN = auto()
    STUCK = auto()


@dataclass(frozen=True, slots=True)
class Late:
    """An item that the shadow ought to have, or ought not to have, for a round or longer."""

    id: str
    #: What the shadow lacks; None: it has an item that it ought not to have.
    version: int | None
    #: Of what the shadow has; 0: nothing.
    shadow_version: int
    #: Comparisons in which it was late.
    rounds: int = 0

    @property
    def is_missing(self) -> bool:
        return self.version is not None

    @property
    def is_sent_again(self) -> bool:
        """Whether this is one of the rounds after which it is."""
        return self.rounds % _ROUNDS_A_REPETITION == 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a comparison means beside those before it."""

    verdict: Verdict
    late: tuple[Late, ...] = ()


@dataclass(frozen=True, slots=True)
class Rounds:
    """What the comparisons so far said.

    Args:
        max_late: comparisons in which an item may be late, before it is given up.
        allowed_missing: items that may be given up.
    """

    max_late: int
    allowed_missing: int = 0
    #: What differed in the last comparison; None before the first.
    expected: Mapping[str, DifferingItem] | None = None
    #: In how many comparisons an item was late, of those that were late in the last one.
    late: Mapping[str, int] = field(default_factory=dict)
    shadow_checkpoint: int = 0

    def after(self, coverage: Coverage, *, is_settled: bool = True) -> tuple["Rounds", Outcome]:
        """The rounds with one more comparison, and what follows.

        What is asked of the shadow is what the comparison before found: all that was on its way then has arrived since.
        An item that was put or deleted later is on its way, and not late.

        Args:
            coverage: the comparison.
            is_settled: whether all that was embedded before it is in both indexes. If not, nobody is late as long as
                the shadow's grows, and nothing is taken for deleted.
        """
        if coverage.is_complete:
            return self._next(coverage, ()), Outcome(Verdict.COMPLETE)
        if self.expected is None:
            return self._next(coverage, ()), Outcome(Verdict.AGAIN)
        counts = is_settled or coverage.shadow_checkpoint == self.shadow_checkpoint
        late = tuple(
            replace(one, rounds=self.late.get(one.id, 0) + counts)
            for one in _late(self.expected, coverage)
            if one.is_missing or is_settled
        )
        return self._next(coverage, late), Outcome(self._verdict(coverage, late), late)

    def _next(self, coverage: Coverage, late: tuple[Late, ...]) -> "Rounds":
        expected = {item.id: item for item in (*coverage.missing_items, *coverage.surplus_items)}
        rounds = {one.id: one.rounds for one in late}
        if _has_unnamed(coverage):
            # Others are named each time: what is not named now is not forgotten.
            rounds |= {item: count for item, count in self.late.items() if item not in expected}
            expected = {**(self.expected or {}), **expected}
        return replace(self, expected=expected, late=rounds, shadow_checkpoint=coverage.shadow_checkpoint)

    def _verdict(self, coverage: Coverage, late: tuple[Late, ...]) -> Verdict:
        given_up = [one for one in late if one.rounds > self.max_late]
        if len(given_up) > self.allowed_missing or not all(one.is_missing for one in given_up):
            return Verdict.STUCK
        is_enough = len(late) <= self.allowed_missing and all(one.is_missing for one in late)
        return Verdict.COMPLETE if is_enough and not _has_unnamed(coverage) else Verdict.AGAIN


def _late(expected: Mapping[str, DifferingItem], coverage: Coverage) -> Iterator[Late]:
    for item in coverage.missing_items:
        before = expected.get(item.id)
        if before is not None and item.shadow_version < before.version:
            yield Late(item.id, before.version, item.shadow_version)
    for item in coverage.surplus_items:
        before = expected.get(item.id)
        # Where the collection has an older version, the newer one is on its way to it.
        if before is not None and before.version == item.version == 0 and before.shadow_version == item.shadow_version:
            yield Late(item.id, None, item.shadow_version)


def _has_unnamed(coverage: Coverage) -> bool:
    """Whether more items differ than were named."""
    return coverage.missing + coverage.surplus > len(coverage.missing_items) + len(coverage.surplus_items)
