"""What is still to be loaded of one collection: requests that pile up while a load runs become one. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.events import IndexReady

#: Items' traces that a reload joins at most.
MAX_TRACEPARENTS: Final = 2000


@dataclass(frozen=True, slots=True)
class ReloadRequest:
    """Load `version` of a collection (None: whatever is newest), and join these items' traces."""

    record: CollectionRecord
    version: int | None = None
    committed_at: datetime | None = None
    traceparents: tuple[str, ...] = ()

    @classmethod
    def for_event(cls, record: CollectionRecord, event: IndexReady) -> "ReloadRequest":
        return cls(record, event.manifest_version, event.committed_at, event.traceparents)

    def joined_with(self, newer: "ReloadRequest") -> "ReloadRequest":
        """One request that satisfies both: the newest version, and all their traces."""
        if newer.record.uid != self.record.uid:
            return newer
        newest = self if (self.version or 0) > (newer.version or 0) else newer
        wants_latest = self.version is None or newer.version is None
        return ReloadRequest(
            record=newer.record,
            version=None if wants_latest else newest.version,
            committed_at=newest.committed_at,
            traceparents=(self.traceparents + newer.traceparents)[-MAX_TRACEPARENTS:],
        )
