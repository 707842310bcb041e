"""A collection with a live generation of 300 items, and candidates beside it, whole or broken on purpose."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from sightwire.blobs import BlobStore
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.operations import OperationRecord, Progress, Validate
from sightwire.segments.batch import IndexedItem, IndexedObject, segment_content
from sightwire.segments.depot import SegmentDepot
from sightwire.segments.description import DESCRIPTION_FILE, describe_file
from sightwire.segments.generations import GenerationRecord, GenerationState
from sightwire.segments.identifiers import new_segment_id
from sightwire.segments.index_writer import IndexWriter
from sightwire.segments.layout import IndexLayout
from sightwire.segments.manifest import Checkpoint, SegmentEntry
from sightwire.segments.resolution import Change
from sightwire.segments.schema import SegmentSchema
from sightwire.segments.vector_indexes.policy import IndexPolicy
from sightwire.segments.writer import SegmentIdentity, write_segment

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
#: So few links and candidates that a graph decides already among hundreds of vectors.
INDEX = {"type": "hnsw", "m": 4, "ef_construction": 40, "ef_search": 40}
RECORD = CollectionRecord.model_validate(
    {
        "spec": {
            "name": "photos",
            "fields": {
                "image": {"source": "user", "dimension": 16},
                "place": {"source": "user", "dimension": 2, "metric": "l2"},
                "object": {"source": "object", "dimension": 8},
            },
            "metadata": {"price": {"type": "float"}},
            "index": INDEX,
        },
        "uid": "0",
        "created_at": NOON,
    }
)
#: Before the numbers of a vectors file.
_PREAMBLE_BYTES = 64
_NOUNS = ("harbour", "mountain", "kitchen", "bicycle", "lighthouse", "violin", "meadow", "railway")


def picture(number: int, version: int = 1, **members: Any) -> IndexedItem:
    """Item `item-<number>`, of which two versions differ in everything."""
    rng = np.random.default_rng([number, version])
    item_id = f"item-{number:03d}"
    return replace(
        IndexedItem(
            id=item_id,
            version=version,
            time=1_700_000_000_000_000 + 1000 * number + version,
            document=orjson.dumps({"id": item_id, "version": version}),
            text=f"a {_NOUNS[number % len(_NOUNS)]} in picture number{number}",
            tags=(f"tag{number % 5}",),
            metadata={"price": float(number)},
            objects=[IndexedObject((0.0, 0.0, 1.0, 1.0), 7, "cat", 0.5)] * (number % 3),
            vectors={
                "image": rng.standard_normal(16, dtype=np.float32).tobytes(),
                "place": rng.standard_normal(2, dtype=np.float32).tobytes(),
                **({"object": rng.standard_normal((number % 3, 8), dtype=np.float32).tobytes()} if number % 3 else {}),
            },
        ),
        **members,
    )


def put(item: IndexedItem) -> Change:
    return Change(item.id, item.version, item)


def checkpoint(sequence: int) -> Checkpoint:
    return Checkpoint(sequence=sequence, stream_created_at=NOON)


@dataclass
class HeardOperation:
    """An operation that keeps what it is told."""

    record: OperationRecord = field(
        default_factory=lambda: OperationRecord(
            id="1", collection="photos", collection_uid="0", command=Validate(), requested_by="test"
        )
    )
    progress: list[Progress] = field(default_factory=list)

    async def report(self, progress: Progress) -> None:
        self.progress.append(progress)

    async def remember(self, memory: Mapping[str, Any]) -> None:
        self.record = self.record.model_copy(update={"memory": dict(memory)})


@dataclass
class GateWorld:
    """The index, its writer, and what the live generation holds."""

    blobs: BlobStore
    cache: Path
    writer: IndexWriter
    items: list[IndexedItem]

    @classmethod
    async def open(cls, blobs: BlobStore, cache: Path) -> "GateWorld":
        """Live are 300 items: of 302, two were deleted, and ten updated."""
        writer = await IndexWriter.open(RECORD, blobs, cache, new_index_checkpoint=checkpoint(0))
        first = [picture(number) for number in range(302)]
        await writer.commit([put(item) for item in first], checkpoint(1))
        updated = [picture(number, 2) for number in range(10)]
        gone = [Change(item.id, 3, None) for item in first[-2:]]
        await writer.commit([*map(put, updated), *gone], checkpoint(2))
        return cls(blobs, cache, writer, [*updated, *first[10:-2]])

    @property
    def layout(self) -> IndexLayout:
        return IndexLayout.of(RECORD)

    async def stage(
        self,
        items: Sequence[IndexedItem],
        *,
        name: str = "g2",
        break_segment: Callable[[Path], None] = lambda _folder: None,
        parts: int = 2,
        **members: Any,
    ) -> GenerationRecord:
        """Stages a candidate of `parts` segments with graphs; `break_segment` gets the folder of the first."""
        depot = SegmentDepot(self.blobs, self.layout, self.cache)
        entries: list[SegmentEntry] = []
        for part in range(parts):
            identity = SegmentIdentity(new_segment_id(), RECORD.name, RECORD.uid, name)
            content = segment_content(items[part::parts], (), SegmentSchema.from_record(RECORD))
            folder = depot.folder(identity.id)
            write_segment(folder, identity, content, indexes=IndexPolicy.of(RECORD, min_rows=1))
            if part == 0:
                break_segment(folder)
            entries.append(await depot.publish(identity.id))
        record = GenerationRecord.model_validate(
            {
                "name": name,
                "state": GenerationState.STAGED,
                "space": RECORD.space,
                "index": RECORD.spec.index,
                "created_at": NOON,
                "segments": tuple(entries),
                "base_version": self.writer.manifest.version,
                **members,
            }
        )
        await self.writer.stage(record)
        return record

    def file(self, record: GenerationRecord, name: str) -> Path:
        """A file of a candidate's first segment."""
        folder = self.blobs.local_path(self.layout.segment_prefix(record.segments[0].id))
        assert folder is not None
        return folder / name


def rewrite_description(folder: Path, **members: Any) -> None:
    """Makes `segment.json` describe the files as they are now, so that only what they say is wrong."""
    path = folder / DESCRIPTION_FILE
    description = json.loads(path.read_text())
    description.update(members)
    description["files"] = [
        describe_file(folder / file["name"]).model_dump()
        for file in description["files"]
        if (folder / file["name"]).exists()
    ]
    path.write_text(json.dumps(description))


def edit_vectors(folder: Path, name: str, edit: Callable[[Any], None]) -> None:
    """Changes the vectors of a field, float32 [all numbers], in place."""
    path = folder / f"vectors.{name}.f32"
    data = bytearray(path.read_bytes())
    edit(np.frombuffer(data, dtype="<f4", offset=_PREAMBLE_BYTES))
    path.write_bytes(data)
    rewrite_description(folder)
