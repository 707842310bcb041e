"""Reads an index the way a searcher that has just started does."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import orjson

from sightwire.blobs.store import BlobStore
from sightwire.contracts.collections import CollectionRecord
from sightwire.segments.deletes import deleted_mask, load_deletes
from sightwire.segments.depot import SegmentDepot
from sightwire.segments.layout import IndexLayout
from sightwire.segments.manifest import Manifest
from sightwire.segments.manifest_store import ManifestStore


@dataclass
class IndexContent:
    """Live items of the newest manifest: version by id, and their public documents."""

    manifest: Manifest
    versions: dict[str, int] = field(default_factory=dict)
    documents: dict[str, dict[str, object]] = field(default_factory=dict)


async def read_index(blobs: BlobStore, record: CollectionRecord, cache: Path) -> IndexContent | None:
    """What the index holds, every checksum compared; None before the first manifest. Fails if an item is live twice."""
    layout = IndexLayout.of(record)
    manifest = await ManifestStore(blobs, layout).latest()
    if manifest is None:
        return None
    content = IndexContent(manifest)
    depot = SegmentDepot(blobs, layout, cache)
    for entry in manifest.segments:
        reader = await depot.open(entry)
        rows = np.flatnonzero(~deleted_mask(await load_deletes(blobs, entry.deletes), reader.rows))
        for item_id, version, document in zip(
            reader.ids(rows), reader.versions[rows].tolist(), reader.documents(rows), strict=True
        ):
            assert item_id not in content.versions, f"{item_id!r} is live twice"
            content.versions[item_id] = version
            content.documents[item_id] = orjson.loads(document)
    assert manifest.items == len(content.versions)
    return content
