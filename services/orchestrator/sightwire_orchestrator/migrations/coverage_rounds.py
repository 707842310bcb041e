"""Whether a shadow has all items, by comparing again and again while others put and delete items; pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from sightwire.contracts.migrations import Coverage


@dataclass(frozen=True, slots=True)
class Difference:
    """What one comparison found."""

    coverage: Coverage
    #: Versions of items that the shadow lacks, by id, as far as they were named and are still there.
    missing: Mapping[str, int] = field(default_factory=dict)
    #: Versions of items that the shadow alone has, by id; likewise.
    surplus: Mapping[str, int] = field(default_factory=dict)

    @property
    def unnamed(self) -> int:
        """Items that differ and were too many to be named."""
        coverage = self.coverage
        named = len(coverage.missing_ids) + len(coverage.surplus_ids)
        return max(coverage.missing + coverage.surplus - named, 0)

    def lasting(self, before: "Difference") -> "Difference":
        """What differed in the same versions in the comparison before, and is no matter of moments."""
        return replace(self, missing=_same(self.missing, before.missing), surplus=_same(self.surplus, before.surplus))


class Verdict(Enum):
    """What follows from a comparison."""

    COMPLETE = auto()
    AGAIN = auto()
    STUCK = auto()


@dataclass(frozen=True, slots=True)
class Rounds:
    """What the comparisons so far said."""

    max_without_progress: int
    allowed_missing: int = 0
    last: Difference | None = None
    #: The fewest lasting differences of any round.
    best: int | None = None
    without_progress: int = 0

    def after(self, found: Difference) -> "tuple[Rounds, Difference, Verdict]":
        """The rounds with one more comparison, what of it is to be sent again, and what follows.

        An item that differs now and did not a round ago, in this version, was put or deleted meanwhile and is on its
        way. So the shadow is complete once nothing differs for longer than a round.
        """
        if found.coverage.is_complete:
            return replace(self, last=found), Difference(found.coverage), Verdict.COMPLETE
        if self.last is None:
            return replace(self, last=found), Difference(found.coverage), Verdict.AGAIN
        lasting = found.lasting(self.last)
        count = len(lasting.missing) + len(lasting.surplus) + found.unnamed
        if count <= self.allowed_missing and not found.unnamed and not lasting.surplus:
            return replace(self, last=found, best=count), lasting, Verdict.COMPLETE
        progressed = self.best is None or count < self.best
        rounds = replace(
            self,
            last=found,
            best=count if progressed else self.best,
            without_progress=0 if progressed else self.without_progress + 1,
        )
        is_stuck = rounds.without_progress >= self.max_without_progress
        return rounds, lasting, Verdict.STUCK if is_stuck else Verdict.AGAIN


def _same(present: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    return {item: version for item, version in present.items() if before.get(item) == version}
