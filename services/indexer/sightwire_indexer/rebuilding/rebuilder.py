"""Carries a rebuild out: the live segments are merged anew, into a generation beside the live one."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.operations import OperationRecord, Progress, Rebuild
from sightwire.segments.generations import GenerationRecord, GenerationState
from sightwire.segments.identifiers import new_segment_id
from sightwire.segments.index_writer import IndexWriter
from sightwire.segments.manifest import SegmentEntry
from sightwire.segments.merge_policy import SegmentSize
from sightwire.segments.merge_task import MergeTask
from sightwire.segments.open_generations import OpenGeneration
from sightwire.segments.open_segments import OpenSegment
from sightwire.segments.vector_indexes.policy import IndexPolicy, own_parameters
from sightwire.segments.writer import SegmentIdentity
from sightwire_indexer import metrics
from sightwire_indexer.operations.activation import Activation
from sightwire_indexer.operations.operation import Operation
from sightwire_indexer.rebuilding.build_process import build_segment
from sightwire_indexer.rebuilding.planning import Part, RebuildPlan, group_segments
from sightwire_indexer.retrying import Retrying


@dataclass(frozen=True, slots=True)
class RebuildOptions:
    """Limits of the building process, unless a command has its own, and what it builds."""

    threads: int
    memory_bytes: int
    max_segment_rows: int
    graph_min_rows: int


class Rebuilder:
    """Carries `rebuild` out for one collection: `Rebuilder(…).carry_out` is its CarryOut.

    Args:
        writing: held while the index's records are written; commits and switches take it, too.
        safe_version: version up to which no change can arrive any more, so that its tombstone may be dropped.
    """

    def __init__(
        self,
        record: CollectionRecord,
        writer: IndexWriter,
        activation: Activation,
        options: RebuildOptions,
        *,
        writing: asyncio.Lock,
        safe_version: Callable[[], int],
    ) -> None:
        self._record = record
        self._writer = writer
        self._activation = activation
        #: May be replaced; a rebuild that runs uses the new ones for what it has not begun.
        self.options = options
        self._writing = writing
        self._safe_version = safe_version
        # A store that is away for a while is no reason to give hours of work up; its health tells of it.
        self._retrying = Retrying(lambda _problem: None)

    async def carry_out(self, operation: Operation) -> dict[str, Any]:
        """Builds, or goes on building; then validates and activates as the command says.

        Raises:
            TooLargeError: the building process needed more memory than it may have.
            GenerationRefusedError: the generation did not pass the gates; the live one is as it was.
            UnavailableError: a process was killed, or a store does not answer; try again.
        """
        command = _command(operation.record)
        plan = await self._plan(operation)
        record = await self._writer.generation(plan.generation)
        if record is not None and record.state is GenerationState.BUILDING:
            await self._build(plan, record, operation)
            metrics.GENERATIONS_BUILT.labels(self._record.name).inc()
        return await self._activation.run(operation, plan.generation, activate=command.activate, gates=command.gates)

    async def _plan(self, operation: Operation) -> RebuildPlan:
        """The plan of the first attempt. Segments that the generation's record names are not removed."""
        if operation.record.memory:
            plan = RebuildPlan.model_validate(operation.record.memory)
            if await self._writer.generation(plan.generation) is not None:
                return plan
        async with self._writing:
            manifest = self._writer.manifest
            name = await self._writer.next_generation_name()
            await self._writer.stage(
                GenerationRecord(
                    name=name,
                    state=GenerationState.BUILDING,
                    space=manifest.space,
                    index=_command(operation.record).index or manifest.index,
                    created_at=datetime.now(UTC),
                    segments=manifest.segments,
                    base_version=manifest.version,
                    reason=f"rebuilt from {manifest.generation} by {operation.record.requested_by}",
                )
            )
        sizes = [SegmentSize.of(entry) for entry in manifest.segments]
        groups = group_segments(sizes, max_rows=self.options.max_segment_rows)
        plan = RebuildPlan(
            generation=name,
            parts=tuple(Part(sources=group, segment=new_segment_id()) for group in groups),
            forgotten_up_to=self._safe_version(),
        )
        await operation.remember(plan.model_dump(mode="json"))
        return plan

    async def _build(self, plan: RebuildPlan, record: GenerationRecord, operation: Operation) -> None:
        """Builds what is not finished yet; in the end the generation is staged."""
        new_ids = [part.segment for part in plan.parts]
        finished = {entry.id: entry for entry in record.segments if entry.id in new_ids}
        base = record.model_copy(
            update={"segments": tuple(entry for entry in record.segments if entry.id not in finished)}
        )
        with self._writer.in_use.reading(new_ids):
            async with self._writer.reading(base) as source:
                by_id = {segment.entry.id: segment for segment in source.segments}
                progress = _BuildProgress(source, operation)
                for part in plan.parts:
                    sources = [by_id[segment_id] for segment_id in part.sources]
                    if part.segment not in finished:
                        await progress.report()
                        task = self._task(part, sources, plan, record, operation.record)
                        finished[part.segment] = await self._build_part(task, operation.record)
                        record = record.model_copy(update={"segments": (*record.segments, finished[part.segment])})
                        await self._store(record)
                    progress.add(sources)
                await progress.report()
            segments = tuple(entry for entry in finished.values() if entry.rows or entry.tombstones)
            await self._store(record.model_copy(update={"state": GenerationState.STAGED, "segments": segments}))

    async def _store(self, record: GenerationRecord) -> None:
        async with self._writing:
            await self._retrying.until_available(lambda: self._writer.stage(record), "store a generation's record")

    def _task(
        self,
        part: Part,
        sources: Sequence[OpenSegment],
        plan: RebuildPlan,
        record: GenerationRecord,
        operation: OperationRecord,
    ) -> MergeTask:
        command = _command(operation)
        return MergeTask.of(
            [segment.live for segment in sources],
            self._writer.depot.folder(part.segment),
            SegmentIdentity(
                id=part.segment,
                collection=self._record.name,
                collection_uid=self._record.uid,
                generation=plan.generation,
            ),
            IndexPolicy(
                record.index,
                self.options.graph_min_rows,
                command.threads or self.options.threads,
                by_field=own_parameters(self._record.spec),
            ),
            drop_tombstones_up_to=plan.forgotten_up_to,
        )

    async def _build_part(self, task: MergeTask, operation: OperationRecord) -> SegmentEntry:
        command = _command(operation)
        # A crash may have come between the segment and the record that names it.
        if not task.destination.exists():
            await build_segment(task, memory_bytes=command.memory_bytes or self.options.memory_bytes)
        return await self._retrying.until_available(
            lambda: self._writer.depot.publish(task.identity.id), "store a segment"
        )


class _BuildProgress:
    """Counts vectors of segments."""

    def __init__(self, source: OpenGeneration, operation: Operation) -> None:
        self._operation = operation
        self._total = sum(map(_vectors, source.segments))
        self._done = 0

    def add(self, segments: Sequence[OpenSegment]) -> None:
        self._done += sum(map(_vectors, segments))

    async def report(self) -> None:
        await self._operation.report(Progress(stage="building", done=self._done, total=self._total, unit="vectors"))


def _vectors(segment: OpenSegment) -> int:
    return sum(field.rows for field in segment.live.reader.fields.values())


def _command(record: OperationRecord) -> Rebuild:
    assert isinstance(record.command, Rebuild), "the desk hands rebuilds to those who carry them out"
    return record.command
