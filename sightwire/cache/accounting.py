"""What `/metrics/cache_accounting` answers."""

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, Field

from sightwire.cache.memory_level import MemoryCounts


class LevelAccounting(BaseModel):
    """One level: of the look-ups that came to it, how many it answered."""

    lookups: int
    hits: int
    misses: int

    @property
    def is_consistent(self) -> bool:
        """Whether every look-up was counted with one outcome."""
        return self.lookups == self.hits + self.misses


class CacheAccounting(LevelAccounting):
    """The cache as its callers see it: a hit is a look-up that one of the levels answered."""

    counted: Literal["server", "process"] = Field(description="Of all processes, counted in the server, or of this one")
    hit_rate: float = Field(description="hits / lookups; 0 before the first")
    sets: int = Field(description="Values stored: in the server if there is one, else in memory")
    collapsed: int = Field(description="Look-ups that waited for a computation that was under way")
    evictions: int = Field(description="Entries that left a memory level for room")
    size: int = Field(description="Entries in this process's memory level")
    size_bytes: int = Field(description="Bytes of them")
    consistent: bool = Field(description="Whether lookups = hits + misses at every level of this snapshot")
    memory: LevelAccounting
    shared: LevelAccounting | None = Field(description="None without a server, or while it does not answer")
    health: str = Field(examples=["healthy", "disabled"], description="State of the shared level")


class CachesAccounting(LevelAccounting):
    """Several caches together, and each by itself."""

    counted: Literal["server", "process"] = Field(description="`process` if any of them was counted so")
    hit_rate: float = Field(description="hits / lookups; 0 before the first")
    sets: int
    collapsed: int
    evictions: int
    size: int
    size_bytes: int
    consistent: bool = Field(description="Whether every cache is, and so the sums are")
    caches: dict[str, CacheAccounting]


class CallCounts:
    """Look-ups as callers see them, each counted once its outcome is known."""

    def __init__(self) -> None:
        self.lookups = 0
        self.hits = 0
        self.misses = 0
        self.collapsed = 0

    def count(self, *, hit: bool, collapsed: bool = False) -> None:
        """Counts one look-up."""
        self.lookups += 1
        self.hits += hit
        self.misses += not hit
        self.collapsed += collapsed


def counts_by_name(calls: CallCounts, memory: MemoryCounts) -> dict[str, int]:
    """Everything that a process counts, as it stands beside the shared level's own `lookups`, `hits` and so on."""
    return {
        "call_lookups": calls.lookups,
        "call_hits": calls.hits,
        "call_misses": calls.misses,
        "call_collapsed": calls.collapsed,
        "memory_lookups": memory.lookups,
        "memory_hits": memory.hits,
        "memory_misses": memory.misses,
        "memory_sets": memory.sets,
        "memory_evictions": memory.evictions,
    }


def cache_accounting(
    counts: Mapping[str, int], *, counted: Literal["server", "process"], size: int, size_bytes: int, health: str
) -> CacheAccounting:
    """The answer for one snapshot of counts, those of `counts_by_name` and, if in the server, the shared level's."""
    calls = _level(counts, "call_")
    memory = _level(counts, "memory_")
    shared = _level(counts, "") if counted == "server" else None
    return CacheAccounting(
        **calls.model_dump(),
        counted=counted,
        hit_rate=_share(calls),
        sets=counts.get("sets" if counted == "server" else "memory_sets", 0),
        collapsed=counts.get("call_collapsed", 0),
        evictions=counts.get("memory_evictions", 0),
        size=size,
        size_bytes=size_bytes,
        consistent=all(level.is_consistent for level in (calls, memory, shared) if level is not None),
        memory=memory,
        shared=shared,
        health=health,
    )


def summed(caches: Mapping[str, CacheAccounting]) -> CachesAccounting:
    """The accountings of several caches, by name, as one."""
    every = caches.values()
    total = LevelAccounting(
        lookups=sum(one.lookups for one in every),
        hits=sum(one.hits for one in every),
        misses=sum(one.misses for one in every),
    )
    return CachesAccounting(
        **total.model_dump(),
        counted="server" if caches and all(one.counted == "server" for one in every) else "process",
        hit_rate=_share(total),
        sets=sum(one.sets for one in every),
        collapsed=sum(one.collapsed for one in every),
        evictions=sum(one.evictions for one in every),
        size=sum(one.size for one in every),
        size_bytes=sum(one.size_bytes for one in every),
        consistent=total.is_consistent and all(one.consistent for one in every),
        caches=dict(caches),
    )


def _share(level: LevelAccounting) -> float:
    return level.hits / level.lookups if level.lookups else 0.0


def _level(counts: Mapping[str, int], prefix: str) -> LevelAccounting:
    return LevelAccounting(
        lookups=counts.get(f"{prefix}lookups", 0),
        hits=counts.get(f"{prefix}hits", 0),
        misses=counts.get(f"{prefix}misses", 0),
    )
