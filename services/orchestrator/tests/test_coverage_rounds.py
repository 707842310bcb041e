"""When a shadow has all items of its collection, while others put and delete items."""

import random
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sightwire_orchestrator.migrations.coverage_rounds import Late, Outcome, Rounds, Verdict

from services.orchestrator.tests.made_migrations import coverage
from sightwire.contracts.migrations import Coverage, DifferingItem

A1, A2, B1 = DifferingItem("a", 1, 0), DifferingItem("a", 2, 0), DifferingItem("b", 1, 0)
#: The shadow has got what was asked for, and not what came after that.
A2_AFTER_1 = DifferingItem("a", 2, 1)
GONE = DifferingItem("a", 0, 1)
#: The shadow is ahead.
NEWER = DifferingItem("a", 1, 2)


def found(*items: DifferingItem, unnamed: int = 0, checkpoint: int = 9) -> Coverage:
    missing = tuple(item for item in items if item.shadow_version < item.version)
    surplus = tuple(item for item in items if item.shadow_version > item.version)
    return coverage(
        missing=len(missing) + unnamed,
        surplus=len(surplus),
        missing_items=missing,
        surplus_items=surplus,
        shadow_checkpoint=checkpoint,
    )


def outcomes(*comparisons: Coverage, max_late: int = 3, allowed: int = 0, is_settled: bool = True) -> list[Outcome]:
    rounds, said = Rounds(max_late, allowed), []
    for comparison in comparisons:
        rounds, outcome = rounds.after(comparison, is_settled=is_settled)
        said.append(outcome)
    return said


def verdicts(*comparisons: Coverage, max_late: int = 3, allowed: int = 0, is_settled: bool = True) -> list[str]:
    said = outcomes(*comparisons, max_late=max_late, allowed=allowed, is_settled=is_settled)
    return [outcome.verdict.name for outcome in said]


@pytest.mark.parametrize(
    ("comparisons", "said"),
    [
        ([found()], ["COMPLETE"]),
        ([found(A1), found()], ["AGAIN", "COMPLETE"]),
        # Others put it after the comparison before.
        ([found(A1), found(B1)], ["AGAIN", "COMPLETE"]),
        ([found(A1), found(A2_AFTER_1)], ["AGAIN", "COMPLETE"]),
        # It was put again, and has not got there in its first version either.
        ([found(A1), found(A2)], ["AGAIN", "AGAIN"]),
        ([found(A1), found(A1, B1), found(B1)], ["AGAIN", "AGAIN", "AGAIN"]),
        ([found(A1)] * 6, ["AGAIN", "AGAIN", "AGAIN", "AGAIN", "STUCK", "STUCK"]),
        ([found(GONE)] * 6, ["AGAIN", "AGAIN", "AGAIN", "AGAIN", "STUCK", "STUCK"]),
        ([found(GONE), found(B1)], ["AGAIN", "COMPLETE"]),
        ([found(NEWER)] * 3, ["AGAIN", "COMPLETE", "COMPLETE"]),
        ([found(A1, unnamed=5), found(B1, unnamed=5)], ["AGAIN", "AGAIN"]),
    ],
)
def test_a_shadow_is_complete_when_no_item_is_late(comparisons: list[Coverage], said: list[str]) -> None:
    assert verdicts(*comparisons) == said


def test_as_many_differences_each_time_are_no_standstill() -> None:
    items = [DifferingItem(f"i{number}", 1, 0) for number in range(40)]
    # Of two items one is late each time, and each time another one.
    said = verdicts(*(found(*pair) for pair in pairwise(items)))
    assert set(said) == {"AGAIN"}


def test_some_items_may_lack_where_that_is_allowed_but_none_may_be_too_many() -> None:
    assert verdicts(*[found(A1)] * 2, allowed=1) == ["AGAIN", "COMPLETE"]
    assert verdicts(*[found(A1, B1)] * 2, allowed=1) == ["AGAIN", "AGAIN"]
    assert verdicts(*[found(GONE)] * 2, allowed=1) == ["AGAIN", "AGAIN"]


def test_nobody_is_late_while_the_index_grows() -> None:
    growing = [found(A1, checkpoint=number) for number in range(10)]
    assert set(verdicts(*growing, is_settled=False)) == {"AGAIN"}
    assert verdicts(*[found(A1)] * 6, is_settled=False)[-1] == "STUCK"
    # What the collection is about to get must not be deleted from the shadow.
    assert all(not outcome.late for outcome in outcomes(*[found(GONE)] * 6, is_settled=False))


def test_late_items_are_sent_again_now_and_then() -> None:
    said = [outcome.late for outcome in outcomes(*[found(A1)] * 12, max_late=20)]
    assert [late[0].is_sent_again for late in said[1:]] == [number % 5 == 0 for number in range(11)]


def test_what_is_not_named_each_time_is_not_forgotten() -> None:
    said = outcomes(*[found(A1, unnamed=5), found(B1, unnamed=5)] * 6, max_late=3)
    assert said[2].late == (Late("a", 1, 0, 1),)
    assert said[-1].verdict is Verdict.STUCK


@dataclass
class Copies:
    """A collection and its shadow, which others change, and items that never get into the shadow."""

    chance: random.Random
    never: frozenset[str]
    clock: int = 0
    own: dict[str, int] = field(default_factory=dict)
    shadow: dict[str, int] = field(default_factory=dict)
    on_the_way: dict[str, int] = field(default_factory=dict)

    def change(self, item: str) -> None:
        """Somebody puts it or deletes it."""
        self.clock += 1
        if item in self.own and self.chance.random() < 0.3:
            del self.own[item]
            self.on_the_way[item] = 0
        else:
            self.own[item] = self.on_the_way[item] = self.clock

    def arrive(self) -> None:
        """All that is on its way."""
        for item, version in self.on_the_way.items():
            if not version:
                self.shadow.pop(item, None)
            elif item not in self.never:
                self.shadow[item] = version
        self.on_the_way = {}

    def compare(self) -> Coverage:
        items = sorted({*self.own, *self.shadow})
        pairs = [DifferingItem(item, self.own.get(item, 0), self.shadow.get(item, 0)) for item in items]
        return found(*(pair for pair in pairs if pair.version != pair.shadow_version))


ITEMS = [f"i{number}" for number in range(8)]


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**32),
    never=st.frozensets(st.sampled_from(ITEMS), max_size=3),
    allowed=st.integers(0, 2),
    changes=st.lists(st.lists(st.sampled_from(ITEMS), max_size=6), min_size=30, max_size=30),
)
def test_no_item_that_lacks_is_overlooked_and_none_that_comes_is_waited_for(
    seed: int, never: frozenset[str], allowed: int, changes: list[list[str]]
) -> None:
    copies = Copies(
        random.Random(seed), never, own=dict.fromkeys(ITEMS, 1), on_the_way=dict.fromkeys(ITEMS, 1), clock=1
    )
    rounds = Rounds(3, allowed)
    lacking_for = dict.fromkeys(ITEMS, 0)
    for changed in changes:
        copies.arrive()
        for item in changed:
            copies.change(item)
        comparison = copies.compare()
        rounds, outcome = rounds.after(comparison)
        for item in ITEMS:
            # A deletion makes both alike again.
            lacking_for[item] = lacking_for[item] + 1 if item in never and item in copies.own else 0
        assert {late.id for late in outcome.late} <= never, "what comes is taken for late"
        if outcome.verdict is Verdict.COMPLETE:
            # One that others put for the first time just now may be among those that never come.
            assert len([item for item, number in lacking_for.items() if number > 1]) <= allowed
            return
        if outcome.verdict is Verdict.STUCK:
            assert len([item for item, number in lacking_for.items() if number > 4]) > allowed
            return
    assert never, "nothing was late, and yet it does not end"
