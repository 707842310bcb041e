"""The writer of one index: turns changes into segments and manifests. It alone writes; many may read.

A commit stores its segment first, then delete bitmaps, then the manifest that makes them visible. A crash in between
leaves blobs that no manifest refers to, which garbage collection removes. What is in memory changes only after the
manifest is stored, so a failed commit can be tried again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from pyroaring import BitMap

from sightwire.blobs.store import BlobStore
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.names import FIRST_GENERATION
from sightwire.errors import CorruptDataError
from sightwire.segments.batch import segment_content
from sightwire.segments.depot import SegmentDepot
from sightwire.segments.generation_keeping import GenerationKeeper
from sightwire.segments.generation_store import GenerationStore
from sightwire.segments.generations import GenerationRecord, GenerationState
from sightwire.segments.identifiers import new_segment_id
from sightwire.segments.layout import IndexLayout
from sightwire.segments.manifest import Checkpoint, Manifest
from sightwire.segments.manifest_store import ManifestStore
from sightwire.segments.merge_planning import MergePlanner
from sightwire.segments.merge_task import MergeTask, deleted_meanwhile, still_fits
from sightwire.segments.open_generations import OpenGeneration, SegmentUse
from sightwire.segments.open_segments import OpenSegment, SegmentStock
from sightwire.segments.outcomes import ItemOutcome, known_outcomes, outcomes_of_commit
from sightwire.segments.resolution import Change, Resolution, resolve, winning_changes
from sightwire.segments.schema import SegmentSchema
from sightwire.segments.switching import segments_as_kept, segments_brought_up_to_date
from sightwire.segments.vector_indexes.policy import IndexPolicy, own_parameters
from sightwire.segments.version_index import current_versions
from sightwire.segments.writer import SegmentIdentity


class IndexWriter:
    """Open with `IndexWriter.open`. Its methods must not run at the same time as each other; the caller takes turns."""

    def __init__(
        self,
        record: CollectionRecord,
        blobs: BlobStore,
        depot: SegmentDepot,
        manifest: Manifest,
        segments: tuple[OpenSegment, ...],
    ) -> None:
        self._layout = IndexLayout.of(record)
        self._spec = record.spec
        self._schema = SegmentSchema.from_record(record)
        self._depot = depot
        self._stock = SegmentStock(blobs, self._layout, depot)
        self._manifests = ManifestStore(blobs, self._layout)
        self._generations = GenerationKeeper(GenerationStore(blobs, self._layout))
        self._manifest = manifest
        self._segments = segments
        self._in_use = SegmentUse()

    @classmethod
    async def open(
        cls, record: CollectionRecord, blobs: BlobStore, cache: Path, *, new_index_checkpoint: Checkpoint
    ) -> IndexWriter:
        """Opens a collection's index; creates it, as an empty manifest of version 1, when it is new.

        Args:
            cache: folder on this machine for segments of a remote store.
            new_index_checkpoint: where a new index begins in its stream.

        Raises:
            ConflictError: another writer created it at the same moment.
            CorruptDataError: the manifest or a segment is damaged, or there is an index of an earlier layout.
        """
        layout = IndexLayout.of(record)
        store = ManifestStore(blobs, layout)
        manifest = await store.latest()
        if manifest is None:
            await store.refuse_earlier_layout()
            manifest = Manifest(
                version=1,
                collection=record.name,
                collection_uid=record.uid,
                generation=FIRST_GENERATION,
                space=record.space,
                created_at=datetime.now(UTC),
                checkpoint=new_index_checkpoint,
                announced_sequence=new_index_checkpoint.sequence,
                index=record.spec.index,
            )
            await store.commit(manifest)
        if manifest.collection_uid != record.uid:
            raise CorruptDataError(
                f"{layout.prefix} holds an index of uid {manifest.collection_uid}, but {record.name!r} has {record.uid}"
            )
        depot = SegmentDepot(blobs, layout, cache)
        segments = await SegmentStock(blobs, layout, depot).open(manifest.segments)
        return cls(record, blobs, depot, manifest, segments)

    @property
    def manifest(self) -> Manifest:
        """The newest manifest."""
        return self._manifest

    @property
    def schema(self) -> SegmentSchema:
        return self._schema

    @property
    def depot(self) -> SegmentDepot:
        """Where segments are, for whoever makes some of another generation."""
        return self._depot

    @property
    def in_use(self) -> SegmentUse:
        """Segments that no manifest and no record need name for them to stay."""
        return self._in_use

    @property
    def live(self) -> OpenGeneration:
        """What is live now."""
        return OpenGeneration.of_manifest(self._manifest, self._segments)

    @asynccontextmanager
    async def reading(self, source: GenerationRecord | Manifest) -> AsyncIterator[OpenGeneration]:
        """Opens a generation, or what was live as of a manifest, to be read beside everything else.

        Raises:
            CorruptDataError: a segment or a delete bitmap is damaged.
            NotFoundError: one is gone.
        """
        with self._in_use.reading([entry.id for entry in source.segments]):
            segments = await self._stock.open(source.segments, self._segments)
            if isinstance(source, Manifest):
                yield OpenGeneration.of_manifest(source, segments)
            else:
                yield OpenGeneration.of_record(source, segments)

    async def commit(
        self, changes: Sequence[Change], checkpoint: Checkpoint, *, announced_sequence: int = 0
    ) -> list[ItemOutcome]:
        """Makes `changes` part of the index; durable when it returns.

        Args:
            changes: in any order, ids may repeat.
            checkpoint: the stream position up to which all changes are now contained.
            announced_sequence: see `Manifest.announced_sequence`; it never goes back.

        Returns:
            What the index now holds of each id of `changes`.

        Raises:
            ConflictError: another writer committed; this one must stop.
            UnavailableError: the store failed; nothing changed, try again.
        """
        winners = list(winning_changes(changes).values())
        ids = [change.id for change in winners]
        segments = [segment.live for segment in self._segments]
        current = await asyncio.to_thread(current_versions, segments, ids)
        resolution = resolve(winners, current)
        added = await self._write_changes(resolution)
        kept = await self._with_deletes(resolution)
        await self._advance(kept + added, checkpoint, announced_sequence)
        # Positions of segments still hold: a commit only appends one.
        return await asyncio.to_thread(outcomes_of_commit, winners, current, segments)

    async def current(self, ids: Sequence[str]) -> list[ItemOutcome]:
        """What the index holds of each id; ids that it does not know are left out."""
        segments = [segment.live for segment in self._segments]
        known = await asyncio.to_thread(current_versions, segments, ids)
        return await asyncio.to_thread(known_outcomes, ids, known, segments)

    def merge_planner(
        self, *, graph_min_rows: int, graph_threads: int = 1, drop_tombstones_up_to: int = 0
    ) -> MergePlanner:
        """Plans merges of what is live now.

        Args:
            graph_min_rows: vectors of a field from which it gets an index of its own kind.
            graph_threads: threads of a build.
            drop_tombstones_up_to: see `merged_content`.
        """
        return MergePlanner(
            self._segments,
            self._depot,
            partial(self._identity, generation=self._manifest.generation),
            IndexPolicy(self._manifest.index, graph_min_rows, graph_threads, by_field=own_parameters(self._spec)),
            drop_tombstones_up_to,
        )

    async def commit_merge(self, task: MergeTask) -> bool:
        """Puts the result of a finished merge in the place of its sources, with what was deleted meanwhile.

        Returns:
            False when it was dropped: another generation became live meanwhile.

        Raises:
            ConflictError: another writer committed; this one must stop.
            UnavailableError: the store failed; nothing changed, try again.
        """
        source_ids = set(task.source_ids)
        sources = {segment.entry.id: segment for segment in self._segments if segment.entry.id in source_ids}
        live_sources = {segment_id: segment.live for segment_id, segment in sources.items()}
        if not still_fits(task, self._manifest.generation, live_sources):
            return False
        (merged,) = await self._stock.open([await self._depot.publish(task.identity.id)])
        deletes = await asyncio.to_thread(deleted_meanwhile, task, live_sources, merged.live.reader)
        merged = await self._stock.with_deletes(merged, deletes)
        rest = tuple(segment for segment in self._segments if segment.entry.id not in source_ids)
        replacement = (merged,) if merged.entry.rows or merged.entry.tombstones else ()
        await self._advance(replacement + rest, self._manifest.checkpoint, self._manifest.announced_sequence)
        return True

    async def generations(self) -> list[GenerationRecord]:
        """Every generation that is not live, by number; the manifest tells which one is."""
        return await self._generations.all(self._manifest)

    async def generation(self, name: str) -> GenerationRecord | None:
        """The record of a generation, which for the live one is out of date; None if there is none."""
        return await self._generations.find(name)

    async def attach_report(self, name: str, report_key: str) -> None:
        """Notes in a generation's record where the report of its validation is; nothing happens if it has no record."""
        await self._generations.attach_report(name, report_key)

    async def next_generation_name(self) -> str:
        """A name for a new generation."""
        return await self._generations.next_name(self._manifest)

    async def stage(self, record: GenerationRecord) -> None:
        """Stores a generation's record; its segments and their deletes must be stored before.

        Raises:
            InvalidInputError: its name is that of the live generation.
        """
        await self._generations.stage(record, self._manifest)

    async def keep(self, reason: str) -> GenerationRecord:
        """Keeps what is live now under a new name, to come back to it with `switch(name, carry_over=False)`."""
        name = await self.next_generation_name()
        return await self._generations.keep_live(self._manifest, name=name, state=GenerationState.KEPT, reason=reason)

    async def forget(self, name: str) -> None:
        """Forgets a generation that is not live."""
        await self._generations.forget(name)

    async def forget_old(self, *, keep: int) -> list[str]:
        """Forgets all kept generations but the newest `keep`; returns the names of those that went."""
        return await self._generations.forget_old(self._manifest, keep=keep)

    async def forget_unfinished(self) -> list[str]:
        """Forgets what is being built, for when nothing is; returns the names."""
        return await self._generations.forget_unfinished(self._manifest)

    async def switch(
        self,
        name: str,
        *,
        carry_over: bool = True,
        leave_as: GenerationState = GenerationState.KEPT,
        forgotten_up_to: int = 0,
    ) -> Manifest:
        """Makes another generation live, by one manifest; what was live is kept. Going back is a switch, too.

        Args:
            name: a staged or a kept generation.
            carry_over: bring it up to date first, so that the index holds the same items as before; without, it comes
                back as it was stored, and later changes are lost.
            leave_as: state of the generation that was live.
            forgotten_up_to: version up to which no change can arrive any more.

        Raises:
            InvalidInputError: it is live, may not become so, or lacks items whose vectors are of another space.
            NotFoundError: there is no such generation.
            CorruptDataError: one of its segments is damaged; nothing changed.
            ConflictError: another writer committed; this one must stop.
            UnavailableError: the store failed; nothing changed, try again.
        """
        live = self._manifest
        record = await self._generations.switchable(name, live)
        await self._generations.keep_live(live, name=live.generation, state=leave_as)
        if carry_over:
            segments = await segments_brought_up_to_date(
                record,
                self._segments,
                self._stock,
                self._schema,
                lambda: self._identity(new_segment_id(), name),
                live_space=live.space,
                forgotten_up_to=forgotten_up_to,
            )
        else:
            segments = await segments_as_kept(record, self._segments, self._stock)
        manifest = live.switched(
            generation=name,
            space=record.space,
            index=record.index,
            segments=tuple(segment.entry for segment in segments),
            created_at=datetime.now(UTC),
        )
        await self._take_over(manifest, segments)
        return manifest

    async def remove_copies(self, *, in_use: Collection[str]) -> None:
        """Deletes this machine's copies of segments that the manifest does not name any more.

        Args:
            in_use: ids of segments that running merges are making.
        """
        needed = {segment.entry.id for segment in self._segments}
        await self._depot.remove_copies(except_for=needed.union(in_use, self._in_use.ids))

    async def _write_changes(self, resolution: Resolution) -> tuple[OpenSegment, ...]:
        """Writes what was accepted as a segment; none if nothing was."""
        if not resolution.items and not resolution.tombstones:
            return ()
        content = await asyncio.to_thread(segment_content, resolution.items, resolution.tombstones, self._schema)
        return (await self._stock.write(content, self._identity(new_segment_id(), self._manifest.generation)),)

    async def _with_deletes(self, resolution: Resolution) -> tuple[OpenSegment, ...]:
        """The present segments, those with superseded rows with a new bitmap."""
        segments = list(self._segments)
        for position, rows in resolution.superseded.items():
            deletes = segments[position].live.deletes | BitMap(rows)
            segments[position] = await self._stock.with_deletes(segments[position], deletes)
        return tuple(segments)

    async def _advance(
        self, segments: tuple[OpenSegment, ...], checkpoint: Checkpoint, announced_sequence: int
    ) -> None:
        """Makes a changed list of segments of the live generation the newest manifest."""
        manifest = self._manifest.successor(
            segments=tuple(segment.entry for segment in segments),
            checkpoint=checkpoint,
            announced_sequence=max(announced_sequence, self._manifest.announced_sequence),
            created_at=datetime.now(UTC),
        )
        await self._take_over(manifest, segments)

    async def _take_over(self, manifest: Manifest, segments: tuple[OpenSegment, ...]) -> None:
        """Stores the next manifest, and goes on with its segments."""
        await self._manifests.commit(manifest)
        self._manifest = manifest
        self._segments = segments

    def _identity(self, segment_id: str, generation: str) -> SegmentIdentity:
        return SegmentIdentity(
            id=segment_id,
            collection=self._manifest.collection,
            collection_uid=self._manifest.collection_uid,
            generation=generation,
        )
