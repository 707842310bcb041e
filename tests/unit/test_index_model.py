"""Whatever happens to an index, it holds what a dictionary would, and finds what comparing everything would."""

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sightwire.contracts.collections import CollectionRecord
from sightwire.segments.batch import IndexedItem, IndexedObject
from sightwire.segments.deletes import deleted_mask, load_deletes
from sightwire.segments.depot import SegmentDepot
from sightwire.segments.garbage import collect_garbage
from sightwire.segments.generations import GenerationRecord, GenerationState
from sightwire.segments.identifiers import new_segment_id
from sightwire.segments.index_writer import IndexWriter
from sightwire.segments.layout import IndexLayout
from sightwire.segments.manifest import Checkpoint, SegmentEntry
from sightwire.segments.manifest_store import ManifestStore
from sightwire.segments.merge import merged_content
from sightwire.segments.merge_policy import MergePolicy
from sightwire.segments.merge_task import MergeTask, run_merge
from sightwire.segments.reader import SegmentReader
from sightwire.segments.resolution import Change
from sightwire.segments.version_index import LiveSegment
from sightwire.segments.writer import SegmentIdentity, write_segment
from tests.plugin.crashing_blobs import CrashingBlobStore, SimulatedCrashError

RECORD = CollectionRecord.model_validate(
    {
        "spec": {
            "name": "photos",
            "fields": {
                "image": {"source": "image", "dimension": 4, "metric": "cosine"},
                "object": {"source": "object", "dimension": 4, "metric": "dot"},
                "place": {"source": "user", "dimension": 2, "metric": "l2"},
            },
            "metadata": {"shop": {"type": "string"}, "colours": {"type": "string_list"}},
            "index": {"m": 4, "ef_construction": 16},
        },
        "uid": "0",
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
        "space": "test-1",
    }
)
#: Thousands of small files are flushed; in memory that costs nothing, where the system has such a disk.
MEMORY_DISK = "/dev/shm" if Path("/dev/shm").is_dir() else None
STREAM_CREATED_AT = datetime(2026, 1, 1, tzinfo=UTC)
POLICY = MergePolicy(segments_per_tier=2, max_rows=64)

#: Item id, version, whether it is a deletion, and what its content is made from.
PublishedChange = tuple[str, int, bool, int]
CHANGES = st.lists(
    st.tuples(
        st.sampled_from("abcdefgh"), st.integers(1, 40), st.integers(0, 3).map(lambda n: n == 0), st.integers(0, 99)
    ),
    min_size=1,
    max_size=8,
)


@dataclass
class ModelItem:
    version: int
    #: None for a deleted item.
    item: IndexedItem | None


@dataclass
class LiveIndex:
    """What a reader that has just started sees."""

    documents: dict[str, bytes] = field(default_factory=dict)
    segments: list[tuple[SegmentReader, np.ndarray[Any, Any]]] = field(default_factory=list)


def make_item(item_id: str, version: int, seed: int) -> IndexedItem:
    rng = np.random.default_rng(seed)
    objects = [
        IndexedObject(tuple(rng.random(4).tolist()), int(rng.integers(5)), "thing", float(rng.random()))
        for _ in range(int(rng.integers(3)))
    ]
    vectors = {"image": rng.standard_normal(4, dtype=np.float32).tobytes()}
    if objects:
        vectors["object"] = rng.standard_normal((len(objects), 4), dtype=np.float32).tobytes()
    if rng.random() < 0.5:
        vectors["place"] = rng.standard_normal(2, dtype=np.float32).tobytes()
    return IndexedItem(
        id=item_id,
        version=version,
        time=seed,
        document=orjson.dumps({"id": item_id, "version": version, "seed": seed}),
        text="text" if seed % 2 else None,
        tags=[f"tag-{seed % 3}"],
        metadata={"shop": f"shop-{seed % 2}", "colours": ["red", f"colour-{seed % 4}"]},
        objects=objects,
        vectors=vectors,
    )


class IndexMachine(RuleBasedStateMachine):
    """Puts, deletes, commits, merges, switches of generations, garbage collection and crashes, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.temporary = tempfile.TemporaryDirectory(dir=MEMORY_DISK)
        self.root = Path(self.temporary.name)
        self.blobs = CrashingBlobStore(self.root / "blobs")
        self.loop = asyncio.new_event_loop()
        #: The stream: everything that was ever published, in order. Sequence n is element n - 1.
        self.log: list[Change] = []
        self.merging: list[MergeTask] = []
        #: What each generation that is not live holds.
        self.kept: dict[str, dict[str, ModelItem]] = {}
        #: The last old state that came back: at which checkpoint, and what it held.
        self.restored: tuple[int, dict[str, ModelItem]] = (0, {})

    def teardown(self) -> None:
        self.loop.close()
        self.temporary.cleanup()

    def run(self, coroutine: Any) -> Any:
        return self.loop.run_until_complete(coroutine)

    @initialize()
    def open_writer(self) -> None:
        self.writer: IndexWriter = self.run(
            IndexWriter.open(
                RECORD,
                self.blobs,
                self.root / "cache",
                new_index_checkpoint=Checkpoint(sequence=0, stream_created_at=STREAM_CREATED_AT),
            )
        )
        self.merging = []

    def crash_and_reopen(self) -> None:
        self.blobs.disarm()
        self.open_writer()

    @rule(changes=CHANGES)
    def publish(self, changes: list[PublishedChange]) -> None:
        for item_id, version, deleted, seed in changes:
            # One version is one ingest event, so a repeated version repeats its content.
            known = next((change for change in self.log if (change.id, change.version) == (item_id, version)), None)
            item = None if deleted else make_item(item_id, version, seed)
            self.log.append(known or Change(item_id, version, item))

    @rule(batches=st.lists(CHANGES, min_size=1, max_size=5))
    def publish_and_commit(self, batches: list[list[PublishedChange]]) -> None:
        for changes in batches:
            self.publish(changes)
            self.run(self.commit_pending())

    async def commit_pending(self) -> None:
        pending = self.log[self.writer.manifest.checkpoint.sequence :]
        outcomes = await self.writer.commit(
            pending, Checkpoint(sequence=len(self.log), stream_created_at=STREAM_CREATED_AT)
        )
        model = self.model()
        for outcome in outcomes:
            expected = model[outcome.id]
            assert outcome.version == expected.version
            assert outcome.deleted == (expected.item is None)
            assert outcome.objects == (len(expected.item.objects) if expected.item else 0)

    @rule()
    def commit(self) -> None:
        self.run(self.commit_pending())

    @rule(changes=st.integers(0, 4), lose_answer=st.booleans())
    def crash_in_commit(self, changes: int, lose_answer: bool) -> None:
        self.blobs.crash_after(changes, lose_answer=lose_answer)
        try:
            self.run(self.commit_pending())
        except SimulatedCrashError:
            self.crash_and_reopen()
        self.blobs.disarm()

    @rule()
    def start_merges(self) -> None:
        tasks = self.writer.merge_planner(graph_min_rows=6).merges(POLICY, busy=self.merging)
        for task in tasks:
            run_merge(task)
        self.merging.extend(tasks)

    @rule(changes=CHANGES)
    def change_while_merging(self, changes: list[PublishedChange]) -> None:
        self.start_merges()
        self.publish_and_commit([changes])
        while self.merging:
            self.finish_merge()

    @rule()
    def merge_until_nothing_is_left_to_merge(self) -> None:
        self.start_merges()
        while self.merging:
            self.finish_merge()
            self.start_merges()

    @precondition(lambda self: self.merging)
    @rule()
    def finish_merge(self) -> None:
        self.run(self.writer.commit_merge(self.merging.pop(0)))

    @precondition(lambda self: len(self.kept) < 3)
    @rule()
    def keep(self) -> None:
        self.kept[self.run(self.writer.keep("test")).name] = self.live_model()

    @precondition(lambda self: len(self.kept) < 3)
    @rule()
    def stage_a_rebuilt_index(self) -> None:
        record = self.run(self.rebuild())
        self.kept[record.name] = self.live_model()

    async def rebuild(self) -> GenerationRecord:
        """All that is live as one segment of a generation of its own."""
        manifest, layout = self.writer.manifest, IndexLayout.of(RECORD)
        depot = SegmentDepot(self.blobs, layout, self.root / "cache")
        name, segment_id = await self.writer.next_generation_name(), new_segment_id()
        live = [
            LiveSegment(await depot.open(entry), await load_deletes(self.blobs, entry.deletes))
            for entry in manifest.segments
        ]
        segments = ()
        if live:
            write_segment(
                depot.folder(segment_id),
                SegmentIdentity(segment_id, RECORD.name, RECORD.uid, name),
                merged_content(live, self.writer.schema, drop_tombstones_up_to=0),
            )
            segments = (await depot.publish(segment_id),)
        record = GenerationRecord(
            name=name,
            state=GenerationState.STAGED,
            space=manifest.space,
            created_at=datetime.now(UTC),
            segments=segments,
            base_version=manifest.version,
        )
        await self.writer.stage(record)
        return record

    @precondition(lambda self: self.kept)
    @rule(choice=st.integers(0, 9), carry_over=st.booleans())
    def switch(self, choice: int, carry_over: bool) -> None:
        self.switch_to(sorted(self.kept)[choice % len(self.kept)], carry_over)

    @precondition(lambda self: self.kept)
    @rule(choice=st.integers(0, 9), changes=CHANGES)
    def switch_while_merging(self, choice: int, changes: list[PublishedChange]) -> None:
        self.start_merges()
        self.publish_and_commit([changes])
        left = self.writer.manifest.generation
        self.switch(choice, carry_over=True)
        while self.merging:
            assert not self.run(self.writer.commit_merge(self.merging.pop(0)))
        self.switch_to(left, carry_over=True)

    @precondition(lambda self: self.kept)
    @rule(choice=st.integers(0, 9), carry_over=st.booleans(), changes=st.integers(0, 9), lose_answer=st.booleans())
    def crash_in_switch(self, choice: int, carry_over: bool, changes: int, lose_answer: bool) -> None:
        self.blobs.crash_after(changes, lose_answer=lose_answer)
        self.switch(choice, carry_over)
        self.blobs.disarm()

    def switch_to(self, name: str, carry_over: bool) -> None:
        """Leaves the old or the new generation live if it crashes; the model follows."""
        before, left = self.writer.manifest, self.live_model()
        try:
            self.run(self.writer.switch(name, carry_over=carry_over))
        except SimulatedCrashError:
            self.crash_and_reopen()
        now = self.writer.manifest
        assert (now.generation, now.version) in ((before.generation, before.version), (name, before.version + 1))
        assert now.checkpoint == before.checkpoint
        if now.generation == name:
            there = self.kept.pop(name)
            self.kept[before.generation] = left
            if not carry_over:
                self.restored = (now.checkpoint.sequence, there)

    @rule(keep=st.integers(0, 2))
    def forget_old(self, keep: int) -> None:
        for name in self.run(self.writer.forget_old(keep=keep)):
            del self.kept[name]

    @precondition(lambda self: self.merging)
    @rule(changes=st.integers(0, 2), lose_answer=st.booleans())
    def crash_in_merge(self, changes: int, lose_answer: bool) -> None:
        self.blobs.crash_after(changes, lose_answer=lose_answer)
        try:
            self.run(self.writer.commit_merge(self.merging.pop(0)))
        except SimulatedCrashError:
            self.crash_and_reopen()
        self.blobs.disarm()

    @rule(crash=st.none() | st.integers(0, 2))
    def collect(self, crash: int | None) -> None:
        if crash is not None:
            self.blobs.crash_after(crash)
        try:
            self.run(
                collect_garbage(
                    self.blobs,
                    IndexLayout.of(RECORD),
                    keep_manifests=1,
                    min_age=timedelta(0),
                    in_use=[task.identity.id for task in self.merging],
                )
            )
        except SimulatedCrashError:
            self.crash_and_reopen()
        self.blobs.disarm()
        self.run(self.generations_are_whole())

    async def generations_are_whole(self) -> None:
        """Nothing that a generation needs was removed."""
        records = await self.writer.generations()
        assert {record.name for record in records} == self.kept.keys()
        for record in records:
            index = await self.open_segments(record.segments)
            expected = {item_id: known.item for item_id, known in self.kept[record.name].items() if known.item}
            assert index.documents == {item_id: item.document for item_id, item in expected.items()}

    @rule()
    def reopen(self) -> None:
        self.open_writer()

    def live_model(self) -> dict[str, ModelItem]:
        return self.model(self.writer.manifest.checkpoint.sequence)

    def model(self, sequence: int | None = None) -> dict[str, ModelItem]:
        """What a dictionary makes of the log up to `sequence`, from the last old state that came back."""
        begin, restored = self.restored
        items = dict(restored)
        for change in self.log[begin:sequence]:
            if change.id not in items or change.version > items[change.id].version:
                items[change.id] = ModelItem(change.version, change.item)
        return items

    async def read(self) -> tuple[int, LiveIndex]:
        """Loads the newest manifest as a searcher does."""
        layout = IndexLayout.of(RECORD)
        manifest = await ManifestStore(self.blobs, layout).latest()
        assert manifest is not None
        index = await self.open_segments(manifest.segments)
        assert manifest.items == len(index.documents)
        return manifest.checkpoint.sequence, index

    async def open_segments(self, entries: Sequence[SegmentEntry]) -> LiveIndex:
        depot = SegmentDepot(self.blobs, IndexLayout.of(RECORD), self.root / "searcher")
        index = LiveIndex()
        for entry in entries:
            reader = await depot.open(entry)
            live = ~deleted_mask(await load_deletes(self.blobs, entry.deletes), reader.rows)
            index.segments.append((reader, live))
            rows = np.flatnonzero(live)
            for item_id, document in zip(reader.ids(rows), reader.documents(rows), strict=True):
                assert item_id not in index.documents, "an item is live once"
                index.documents[item_id] = document
        return index

    @invariant()
    def holds_what_the_model_holds(self) -> None:
        sequence, index = self.run(self.read())
        live = {item_id: known.item for item_id, known in self.model(sequence).items() if known.item is not None}
        assert index.documents == {item_id: item.document for item_id, item in live.items()}
        for item_field, dimension in (("image", 4), ("place", 2), ("object", 4)):
            self.search_finds_the_best(index, live, item_field, dimension)

    def search_finds_the_best(
        self, index: LiveIndex, live: dict[str, IndexedItem], item_field: str, dimension: int
    ) -> None:
        query = np.linspace(-1, 1, dimension, dtype=np.float32)
        expected = sorted(
            (score for item in live.values() for score in model_scores(item, item_field, query)), reverse=True
        )
        for exact in (True, False):
            found: list[float] = []
            for reader, live_items in index.segments:
                mask = live_items if item_field != "object" else live_items[reader.object_item_rows]
                selection = reader.select(item_field, mask)
                hits = reader.search(item_field, query[None], 5, selection=selection, exact=exact)
                found.extend(hits.scores[0][hits.rows[0] >= 0].tolist())
                assert mask[hits.rows[0][hits.rows[0] >= 0]].all()
            found.sort(reverse=True)
            if exact:
                np.testing.assert_allclose(found[:5], expected[:5], rtol=1e-4, atol=1e-5)
            else:
                assert len(found[:5]) == len(expected[:5])


def model_scores(item: IndexedItem, item_field: str, query: np.ndarray[Any, Any]) -> list[float]:
    if item_field not in item.vectors:
        return []
    matrix = np.frombuffer(item.vectors[item_field], dtype=np.float32).reshape(-1, len(query)).astype(np.float64)
    match item_field:
        case "image":
            scores = matrix @ query / np.linalg.norm(matrix, axis=1) / np.linalg.norm(query)
        case "place":
            scores = -((matrix - query) ** 2).sum(axis=1)
        case _:
            scores = matrix @ query
    return [float(score) for score in scores]


TestIndexModel = IndexMachine.TestCase
TestIndexModel.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
