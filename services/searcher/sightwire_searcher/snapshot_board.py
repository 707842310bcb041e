"""Which snapshot answers: the newest of each collection, and for a while those that somebody may be paging through.

Reloads publish from the event loop, calls read from their threads. A lock is held for as long as it takes to look one
thing up and to note it; who has a snapshot needs none, since it never changes.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from sightwire.errors import ConflictError, UnavailableError
from sightwire_searcher.snapshot import Snapshot


@dataclass(slots=True)
class _Shelf:
    """Snapshots of one collection."""

    newest: Snapshot
    #: Whether `newest` has answered a search: only then can a page refer to it.
    newest_was_searched: bool = False
    #: Older ones by version, oldest first, with the time at which they were replaced.
    older: OrderedDict[int, tuple[Snapshot, float]] = field(default_factory=OrderedDict)


class SnapshotBoard:
    """Snapshots by collection; thread-safe.

    Args:
        kept: older snapshots of a collection that are kept at most.
        keep_seconds: how long they are kept.
        clock: seconds, for tests.
    """

    def __init__(self, *, kept: int, keep_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._kept = kept
        self._keep_seconds = keep_seconds
        self._clock = clock
        self._shelves: dict[str, _Shelf] = {}
        self._lock = threading.Lock()

    def take_limits(self, *, kept: int, keep_seconds: float) -> None:
        """Keeps older snapshots within other limits from now on."""
        with self._lock:
            self._kept = kept
            self._keep_seconds = keep_seconds

    def newest(self, collection: str) -> Snapshot | None:
        """The newest snapshot, None for a collection that is not loaded."""
        with self._lock:
            shelf = self._shelves.get(collection)
            return shelf.newest if shelf is not None else None

    def for_search(self, collection: str, version: int) -> Snapshot | None:
        """The snapshot of a manifest version, 0 for the newest; None for a collection that is not loaded.

        Raises:
            UnavailableError: the version is newer than what is loaded; another try may succeed.
            ConflictError: the version is not kept any more.
        """
        with self._lock:
            shelf = self._shelves.get(collection)
            if shelf is None:
                return None
            newest = shelf.newest
            if version in (0, newest.version):
                # Under the lock: a page that follows needs what `publish` keeps because of this.
                shelf.newest_was_searched = True
                return newest
            kept = shelf.older.get(version)
        if version > newest.version:
            raise UnavailableError(
                f"manifest version {version} of collection {collection!r} is not loaded yet "
                f"(newest: {newest.version}); try again"
            )
        if kept is None:
            raise ConflictError(
                f"manifest version {version} of collection {collection!r} is not kept any more "
                f"(newest: {newest.version}); start again from the first page"
            )
        return kept[0]

    def publish(self, snapshot: Snapshot) -> None:
        """Makes `snapshot` the one that answers from now on."""
        with self._lock:
            self._publish(snapshot)
            self._expire()

    def drop(self, collection: str) -> None:
        """Forgets a collection."""
        with self._lock:
            self._shelves.pop(collection, None)

    def expire(self) -> None:
        """Lets go of snapshots that are too old or too many; call now and then, also when nothing is published."""
        with self._lock:
            self._expire()

    def all(self) -> list[Snapshot]:
        """The newest snapshot of each collection."""
        with self._lock:
            return [shelf.newest for shelf in self._shelves.values()]

    def _publish(self, snapshot: Snapshot) -> None:
        name = snapshot.record.name
        shelf = self._shelves.get(name)
        if shelf is None or shelf.newest.incarnation != snapshot.incarnation:
            self._shelves[name] = _Shelf(snapshot)
            return
        if shelf.newest.version != snapshot.version:
            if shelf.newest_was_searched:
                shelf.older[shelf.newest.version] = (shelf.newest, self._clock())
            shelf.newest_was_searched = False
        shelf.newest = snapshot

    def _expire(self) -> None:
        expired_before = self._clock() - self._keep_seconds
        for shelf in self._shelves.values():
            while shelf.older:
                _, replaced_at = next(iter(shelf.older.values()))
                if len(shelf.older) <= self._kept and replaced_at >= expired_before:
                    break
                shelf.older.popitem(last=False)
