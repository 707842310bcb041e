"""Follows the registry of collections: an owner for each that has an index, none and no blobs for each that has none.

What a record says of other indexes with the same items, and of which of them answers, is no reason to open it anew.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sightwire.contracts.collections import CollectionRecord
from sightwire.ending_tasks import end_tasks
from sightwire_indexer import metrics
from sightwire_indexer.ownership import CollectionOwner
from sightwire_indexer.retrying import Retrying

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Kept:
    #: As far as its index depends on it.
    record: CollectionRecord
    owner: CollectionOwner
    task: asyncio.Task[None]


class CollectionsKeeper:
    """Owners of all collections; belongs to the event loop.

    Args:
        make_owner: an owner for a collection, not yet running.
        remove_deleted: deletes what is stored of the index of a collection that has none any more.
    """

    def __init__(
        self,
        make_owner: Callable[[CollectionRecord], CollectionOwner],
        remove_deleted: Callable[[str], Awaitable[object]],
    ) -> None:
        self._make_owner = make_owner
        self._remove_deleted = remove_deleted
        self._kept: dict[str, _Kept] = {}
        #: Names of collections without an index of their own, for which all has been done.
        self._without_index: set[str] = set()
        self._removals: set[asyncio.Task[object]] = set()
        # Collections that exist are served all the same, so this is no problem of the indexer's health.
        self._retrying = Retrying(lambda _problem: None)

    @property
    def problem(self) -> str | None:
        """Which collections are not being indexed though they should be, and why; None when all is well."""
        problems = {name: kept.owner.problem for name, kept in sorted(self._kept.items())}
        found = [f"{name}: {problem}" for name, problem in problems.items() if problem is not None]
        return "; ".join(found) or None

    async def collection_changed(self, name: str, record: CollectionRecord | None) -> None:
        """Listener of the collection directory."""
        kept = self._kept.get(name)
        indexed = record.of_own_index if record is not None and record.has_index else None
        if kept is not None and kept.record == indexed:
            return
        if kept is not None:
            await self._let_go(name, kept)
        if indexed is not None:
            owner = self._make_owner(indexed)
            self._kept[name] = _Kept(indexed, owner, asyncio.create_task(owner.run(), name=f"owner of {name}"))
        elif record is None or name not in self._without_index:
            self._remove(name)
        if record is None or record.has_index:
            self._without_index.discard(name)
        else:
            self._without_index.add(name)

    async def close(self, drain_seconds: float) -> None:
        """Drains all collections; those that take longer than `drain_seconds` are left to the next start."""
        for kept in self._kept.values():
            kept.owner.stop()
        tasks = [kept.task for kept in self._kept.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=drain_seconds)
        await end_tasks(*tasks, *self._removals)

    async def _let_go(self, name: str, kept: _Kept) -> None:
        """Ends a collection at once: what it would still commit belongs to nobody any more."""
        del self._kept[name]
        await end_tasks(kept.task)
        metrics.forget_collection(name)

    def _remove(self, name: str) -> None:
        async def remove() -> object:
            return await self._retrying.until_available(
                lambda: self._remove_deleted(name), f"remove what is left of the index of {name!r}"
            )

        task: asyncio.Task[object] = asyncio.create_task(remove(), name=f"remove {name}")
        self._removals.add(task)
        task.add_done_callback(self._removed)

    def _removed(self, task: asyncio.Task[object]) -> None:
        self._removals.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("what is left of an index cannot be removed", exc_info=error)
