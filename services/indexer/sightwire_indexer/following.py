"""Whether every searcher has followed a switch to another generation: a pure decision, and who waits for it."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Following(StrEnum):
    """How a switch stands."""

    COMPLETE = "complete"
    WAITING = "waiting"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to think of a switch, and which searchers have not loaded it."""

    following: Following
    behind: tuple[str, ...] = ()


def judge_switch(loaded: Mapping[str, int], manifest_version: int, *, seconds_left: float) -> Verdict:
    """Decides from what the searchers that live now have loaded.

    One that comes later loads the newest manifest before it answers, and one that has gone answers nobody: neither is
    waited for.

    Args:
        loaded: manifest version by searcher.
        manifest_version: the version that made the generation live.
    """
    behind = tuple(sorted(searcher for searcher, version in loaded.items() if version < manifest_version))
    if not behind:
        return Verdict(Following.COMPLETE)
    return Verdict(Following.WAITING if seconds_left > 0 else Following.FAILED, behind)


class Followers:
    """The searchers of one collection.

    Args:
        loaded: manifest version by searcher, of those that live now.
    """

    def __init__(self, loaded: Callable[[], Mapping[str, int]]) -> None:
        self._loaded = loaded
        self._changed = asyncio.Event()

    def changed(self) -> None:
        """A searcher loaded something, came or went."""
        self._changed.set()

    async def follow(self, manifest_version: int, *, seconds: float) -> Verdict:
        """Waits until all have loaded a manifest version, or so many seconds have passed."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while True:
            self._changed.clear()
            verdict = judge_switch(self._loaded(), manifest_version, seconds_left=deadline - loop.time())
            if verdict.following is not Following.WAITING:
                return verdict
            try:
                async with asyncio.timeout_at(deadline):
                    await self._changed.wait()
            except TimeoutError:
                continue
