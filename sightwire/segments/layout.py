"""Where the parts of an index lie in the blob store."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

from sightwire.contracts.collections import CollectionRecord

_MANIFEST_KEY: Final = re.compile(r"/manifests/(\d{20})\.json$")
#: Once each generation had a folder of its own, with manifests and segments.
_GENERATION_FOLDER: Final = re.compile(r"/g[1-9]\d*$")
_REPORT_KEY: Final = re.compile(r"/reports/(g\d+)-(\d{8}T\d{12}Z)\.json$")
_REPORT_TIME: Final = "%Y%m%dT%H%M%S%fZ"


@dataclass(frozen=True, slots=True)
class IndexLayout:
    """Keys of one incarnation of a collection; `prefix` is its folder."""

    prefix: str

    @classmethod
    def of(cls, record: CollectionRecord) -> IndexLayout:
        """Layout of a collection's index."""
        return cls(record.index_prefix)

    @property
    def segments_prefix(self) -> str:
        return f"{self.prefix}/segments"

    def segment_prefix(self, segment_id: str) -> str:
        """Folder of a segment."""
        return f"{self.segments_prefix}/{segment_id}"

    @property
    def deletes_prefix(self) -> str:
        return f"{self.prefix}/deletes"

    def deletes_key(self, segment_id: str, deletes_id: str) -> str:
        """A delete bitmap; it has an id of its own, so that two writers never write the same key."""
        return f"{self.deletes_prefix}/{segment_id}/{deletes_id}.roaring"

    @property
    def generations_prefix(self) -> str:
        return f"{self.prefix}/generations"

    def generation_key(self, name: str) -> str:
        """The record of a generation that is not live."""
        return f"{self.generations_prefix}/{name}.json"

    @property
    def reports_prefix(self) -> str:
        return f"{self.prefix}/reports"

    def report_key(self, generation: str, created_at: datetime) -> str:
        """What became of a generation at the gates; those of one generation sort by time, which is in UTC."""
        return f"{self.reports_prefix}/{generation}-{created_at.astimezone(UTC).strftime(_REPORT_TIME)}.json"

    @property
    def manifests_prefix(self) -> str:
        return f"{self.prefix}/manifests"

    def manifest_key(self, version: int) -> str:
        """A manifest; 20 digits, so that keys sort by version."""
        return f"{self.manifests_prefix}/{version:020d}.json"


def manifest_version_of(key: str) -> int | None:
    """The version in a manifest's key; None for any other key."""
    match = _MANIFEST_KEY.search(key)
    return None if match is None else int(match.group(1))


class ReportName(NamedTuple):
    """Which generation a report is of, and when it was made."""

    generation: str
    created_at: datetime


def report_name_of(key: str) -> ReportName | None:
    """What the key of a report says; None for any other key."""
    match = _REPORT_KEY.search(key)
    if match is None:
        return None
    return ReportName(match[1], datetime.strptime(match[2], _REPORT_TIME).replace(tzinfo=UTC))


def is_of_earlier_layout(folder: str) -> bool:
    """Whether a folder directly below an index's prefix is one that only indexes of an earlier layout have."""
    return _GENERATION_FOLDER.search(folder) is not None
