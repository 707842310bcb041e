"""The memory level and its policies, against models that say the same with less speed."""

import tracemalloc
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightwire.cache.memory_level import ENTRY_OVERHEAD_BYTES, MemoryLevel
from sightwire.cache.policies.choosing import PolicyName, create_policy

POLICIES: tuple[PolicyName, ...] = get_args(PolicyName)
KEYS = "abcdefgh"
SLOT = ENTRY_OVERHEAD_BYTES + 1 + 100


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def level_of(policy: PolicyName, slots: int, clock: Clock | None = None) -> MemoryLevel:
    """A level with room for `slots` values of 100 bytes."""
    max_bytes = slots * SLOT
    return MemoryLevel(max_bytes, create_policy(policy, max_bytes), clock or Clock())


def keep(level: MemoryLevel, *keys: str, ttl: float = 100.0) -> None:
    for key in keys:
        level.keep(key, key.encode() * 100, ttl)


def present(level: MemoryLevel, keys: str = KEYS) -> str:
    """Which of the keys are there; asks for them only after everything that a test does."""
    return "".join(key for key in keys if level.find(key) is not None)


@dataclass(frozen=True)
class Step:
    act: str
    key: str
    size: int = 100
    ttl: float = 10.0
    tags: tuple[str, ...] = ()


steps = st.lists(
    st.one_of(
        st.builds(Step, st.just("find"), st.sampled_from(KEYS)),
        st.builds(
            Step,
            st.just("keep"),
            st.sampled_from(KEYS),
            st.integers(0, 1500),
            st.sampled_from([1.0, 5.0, 50.0]),
            st.sets(st.sampled_from("xyz")).map(tuple),
        ),
        st.builds(Step, st.just("delete"), st.sampled_from(KEYS)),
        st.builds(Step, st.just("untag"), st.sampled_from("xyz")),
        st.builds(Step, st.just("wait"), st.just("")),
    ),
    max_size=60,
)


@pytest.mark.parametrize("policy", POLICIES)
@settings(deadline=None)
@given(steps=steps)
def test_level_gives_only_what_was_kept_last_and_is_good_still(policy: PolicyName, steps: list[Step]) -> None:
    clock = Clock()
    level = level_of(policy, 3, clock)
    model: dict[str, tuple[bytes, float, tuple[str, ...]]] = {}
    finds = 0
    for number, step in enumerate(steps):
        match step.act:
            case "find":
                finds += 1
                value = level.find(step.key)
                kept = model.get(step.key)
                if kept is None or kept[1] <= clock.now:
                    model.pop(step.key, None)
                    assert value is None
                else:
                    assert value in (None, kept[0])
            case "keep":
                value = bytes([number]) * step.size
                level.keep(step.key, value, step.ttl, step.tags)
                model[step.key] = (value, clock.now + step.ttl, step.tags)
            case "delete":
                level.delete([step.key])
                model.pop(step.key, None)
            case "untag":
                level.delete_by_tags([step.key])
                model = {key: kept for key, kept in model.items() if step.key not in kept[2]}
            case "wait":
                clock.now += 2.0
        assert level.size_bytes <= 3 * SLOT
        assert len(level) <= len(model)
    assert level.counts.lookups == level.counts.hits + level.counts.misses == finds
    level.clear()
    assert (len(level), level.size_bytes) == (0, 0)


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.sampled_from(KEYS)), max_size=80))
def test_lru_lets_go_of_what_was_not_asked_for_the_longest(uses: list[tuple[bool, str]]) -> None:
    level = level_of("lru", 3)
    model: list[str] = []
    for is_keep, key in uses:
        if is_keep:
            keep(level, key)
            model = [*(other for other in model if other != key), key][-3:]
        else:
            assert (level.find(key) is not None) == (key in model)
            if key in model:
                model = [*(other for other in model if other != key), key]
    assert present(level) == "".join(sorted(model))


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.sampled_from(KEYS)), max_size=80))
def test_lfu_lets_go_of_what_was_asked_for_least(uses: list[tuple[bool, str]]) -> None:
    level = level_of("lfu", 3)
    counts: Counter[str] = Counter()
    last_use: dict[str, int] = {}
    for now, (is_keep, key) in enumerate(uses):
        if is_keep:
            last_use.pop(key, None)
            counts.pop(key, None)
            while len(last_use) >= 3:
                goes = min(last_use, key=lambda other: (counts[other], last_use[other]))
                last_use.pop(goes)
                counts.pop(goes, None)
            keep(level, key)
            last_use[key] = now
        else:
            assert (level.find(key) is not None) == (key in last_use)
            if key in last_use:
                counts[key] += 1
                last_use[key] = now
    assert present(level) == "".join(sorted(last_use))


def test_ttl_lets_go_of_what_expires_first() -> None:
    level = level_of("ttl", 3)
    keep(level, "a", ttl=30)
    keep(level, "b", ttl=10)
    keep(level, "c", ttl=20)
    keep(level, "b", ttl=40)
    keep(level, "d", ttl=5)
    assert present(level) == "abd"


def hit_rate(policy: PolicyName, requests: list[str], slots: int) -> float:
    level = level_of(policy, slots)
    for key in requests:
        if level.find(key) is None:
            keep(level, key)
    return level.counts.hits / level.counts.lookups


def test_adaptive_keeps_what_is_asked_for_again_through_a_scan() -> None:
    popular = [chr(ord("A") + number) for number in range(8)]
    # Names of one character, so that all weigh the same.
    scan = [chr(0x4E00 + number) for number in range(300)]
    requests = popular * 3
    for start in range(0, len(scan), 10):
        requests += scan[start : start + 10] + popular
    assert hit_rate("adaptive", requests, 10) > hit_rate("lru", requests, 10) + 0.2


def test_adaptive_gives_room_to_the_recent_when_they_come_again() -> None:
    before = [chr(ord("A") + number) for number in range(8)]
    after = [chr(ord("a") + number) for number in range(8)]
    requests = before * 50 + after * 50
    assert hit_rate("adaptive", requests, 10) > 0.9


@pytest.mark.parametrize("policy", POLICIES)
def test_a_value_too_large_for_the_level_stays_out_and_lets_others_be(policy: PolicyName) -> None:
    level = level_of(policy, 3)
    keep(level, "a", "b")
    level.keep("c", bytes(10_000), 100.0)
    assert present(level) == "ab"


@pytest.mark.parametrize("policy", POLICIES)
def test_an_expired_entry_is_gone_and_gives_its_room_back(policy: PolicyName) -> None:
    clock = Clock()
    level = level_of(policy, 3, clock)
    keep(level, "a", ttl=1)
    clock.now = 1.0
    assert level.find("a") is None
    assert level.size_bytes == 0


def measured_bytes_of(create: Callable[[], object]) -> int:
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    kept = create()
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    del kept
    return after - before


@pytest.mark.parametrize("policy", POLICIES)
def test_bytes_counted_are_not_less_than_bytes_taken(policy: PolicyName) -> None:
    def filled() -> MemoryLevel:
        level = MemoryLevel(64_000_000, create_policy(policy, 64_000_000))
        for number in range(5000):
            level.keep(f"{number:040x}", bytes(100 + number % 7), 100.0, ("collection:a",))
        return level

    level_bytes = filled().size_bytes
    assert measured_bytes_of(filled) <= 1.1 * level_bytes
