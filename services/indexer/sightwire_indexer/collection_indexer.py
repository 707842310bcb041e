"""Indexes one collection that this process owns: log → buffer → commits; merges and housekeeping beside it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Literal

from sightwire.blobs.store import BlobStore
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.events import IndexReady
from sightwire.ending_tasks import end_tasks
from sightwire.errors import ConflictError
from sightwire.segments.index_writer import IndexWriter
from sightwire.segments.manifest import Checkpoint
from sightwire.segments.merge_task import MergeTask
from sightwire.segments.outcomes import ItemOutcome
from sightwire.segments.resolution import Change
from sightwire_indexer import metrics
from sightwire_indexer.commit_buffer import BufferLimits, CommitBuffer, PendingMessage
from sightwire_indexer.decoding import DecodedBatch, IndexTarget, decode_batch
from sightwire_indexer.following import Followers
from sightwire_indexer.housekeeping import Housekeeper
from sightwire_indexer.item_spans import CommitTrace, sampled_items
from sightwire_indexer.log_reader import LogMessage
from sightwire_indexer.merging import Merger
from sightwire_indexer.ports import HousekeepingLimits, Log, Outlet
from sightwire_indexer.retrying import Retrying
from sightwire_indexer.statuses import StatusAnnouncer, rejection_status
from sightwire_indexer.switching import DEFAULT_FOLLOW_SECONDS, Switcher, SwitchReport, Verify
from sightwire_indexer.tasks import finished_regardless, run_with_company

logger = logging.getLogger(__name__)

#: How long a switch may take beside the waiting for searchers, once its caller is cancelled.
_SWITCH_GRACE_SECONDS: Final = 10.0
#: An idle collection's checkpoint also follows when its stream has moved on by so many messages.
_IDLE_CHECKPOINT_MESSAGES = 10_000


class CollectionIndexer:
    """Call `run` once. It returns after a drain, and raises when the collection must be opened anew or stopped.

    Args:
        writing: held while the index changes: commits, those of merges, switches and whatever else writes take turns.
        is_owner: whether no other process can own the collection yet; asked before each commit.
        report: called with what does not work at the moment, or with None when all does.
    """

    def __init__(
        self,
        record: CollectionRecord,
        writer: IndexWriter,
        log: Log,
        outlet: Outlet,
        merger: Merger,
        statuses: StatusAnnouncer,
        blobs: BlobStore,
        followers: Followers,
        verify: Verify,
        *,
        writing: asyncio.Lock,
        buffer_limits: BufferLimits,
        housekeeping: HousekeepingLimits,
        is_owner: Callable[[], bool],
        report: Callable[[str | None], None],
    ) -> None:
        self._record = record
        self._writer = writer
        self._log = log
        self._outlet = outlet
        self._merger = merger
        self._statuses = statuses
        self._is_owner = is_owner
        self._report = report
        self._retrying = Retrying(report)
        self._buffer = CommitBuffer(buffer_limits)
        self._writing = writing
        self._housekeeper = Housekeeper(
            record, writer, merger, blobs, housekeeping, writing=writing, require_ownership=self._require_ownership
        )
        self._switcher = Switcher(
            writer,
            followers,
            self._retrying,
            verify=verify,
            require_ownership=self._require_ownership,
            safe_version=lambda: merger.safe_version,
            announce=lambda: self._announce("switch"),
        )
        #: Position up to which messages were put into the buffer.
        self._buffered_sequence = writer.manifest.checkpoint.sequence
        self._last_commit = 0.0

    def take_limits(self, buffer: BufferLimits, housekeeping: HousekeepingLimits) -> None:
        """Goes on within other limits."""
        self._buffer.limits = buffer
        self._housekeeper.limits = housekeeping

    @property
    def buffered_items(self) -> int:
        return self._buffer.items

    async def switch(
        self, name: str, *, carry_over: bool = True, follow_seconds: float = DEFAULT_FOLLOW_SECONDS
    ) -> SwitchReport:
        """Makes another generation live, and goes back by itself if a searcher does not load it in time.

        Once it has begun it comes to its end, also when the caller is cancelled meanwhile: half a switch helps nobody.

        Args:
            name: a staged or a kept generation.
            carry_over: see `IndexWriter.switch`.
            follow_seconds: how long searchers have to load it.

        Raises:
            InvalidInputError: the generation is live, or may not become so.
            NotFoundError: there is no such generation.
            CorruptDataError: one of its segments is damaged; nothing changed.
            ConflictError: another indexer owns the collection.
        """
        return await self._finish_switch(
            self._switcher.switch(name, carry_over=carry_over, follow_seconds=follow_seconds), follow_seconds
        )

    async def confirm_switch(self, left: str, *, follow_seconds: float = DEFAULT_FOLLOW_SECONDS) -> SwitchReport:
        """Asks the searchers about a generation that became live just before a crash; raises as `switch` does.

        Args:
            left: the generation to go back to if they do not serve it, with what was ingested meanwhile.
            follow_seconds: how long searchers have to load it.
        """
        return await self._finish_switch(self._switcher.confirm(left, follow_seconds=follow_seconds), follow_seconds)

    async def _finish_switch(self, switch: Awaitable[SwitchReport], follow_seconds: float) -> SwitchReport:
        async def in_turn() -> SwitchReport:
            # Commits wait until the searchers have followed, so that going back loses nothing.
            async with self._writing:
                return await switch

        report = await finished_regardless(in_turn(), grace_seconds=2 * follow_seconds + _SWITCH_GRACE_SECONDS)
        self._merger.poke()
        return report

    async def run(self, stopping: asyncio.Event) -> None:
        """Indexes until `stopping` is set, then commits what was read.

        Raises:
            Exception: whatever ended one of its tasks, or a group of those; see `after_failure` in `ownership`.
        """
        metrics.BUFFERED_ITEMS.labels(self._record.name).set_function(lambda: self._buffer.items)
        # Whoever was here before may have died between its manifest and its event.
        await self._announce("created" if self._writer.manifest.version == 1 else "commit")
        self._report(None)
        await run_with_company(
            self._commit_when_due(),
            self._read_until(stopping),
            self._statuses.run(),
            self._merger.run(self._commit_merge),
            self._housekeeper.run(),
        )

    async def _read_until(self, stopping: asyncio.Event) -> None:
        """Reads until `stopping` is set; then what waits in the buffer is the last to be committed."""
        reading = asyncio.create_task(self._read(), name=f"read {self._record.name}")
        stopped = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait([reading, stopped], return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end_tasks(reading, stopped)
        if not reading.cancelled():
            reading.result()
        await self._buffer.close()

    async def _read(self) -> None:
        idle_since = asyncio.get_running_loop().time()
        while True:
            await self._buffer.wait_for_room()
            messages = await self._retrying.until_available(self._log.fetch, "read the log")
            now = asyncio.get_running_loop().time()
            if messages:
                decoded = await asyncio.to_thread(self._decode, messages)
                for message, batch in zip(messages, decoded, strict=True):
                    await self._accept(message, batch)
                idle_since = now
            elif self._is_checkpoint_behind(idle_since, now):
                # Nothing for this collection came, but the stream must not forget what its checkpoint still names.
                await self._enqueue(PendingMessage(self._log.position.sequence, size=0))
                idle_since = now

    def _is_checkpoint_behind(self, idle_since: float, now: float) -> bool:
        distance = self._log.position.sequence - self._buffered_sequence
        is_due = now - idle_since >= self._housekeeper.limits.idle_checkpoint_seconds
        return distance > 0 and (is_due or distance >= _IDLE_CHECKPOINT_MESSAGES)

    def _decode(self, messages: Sequence[LogMessage]) -> list[DecodedBatch]:
        target = IndexTarget(self._record.name, self._record.uid, self._writer.manifest.space, self._writer.schema)
        return [decode_batch(message.payload, target) for message in messages]

    async def _accept(self, message: LogMessage, batch: DecodedBatch) -> None:
        ids = [change.id for change in batch.changes]
        if message.sequence <= self._writer.manifest.checkpoint.sequence:
            # The manifest contains it; only whether its items were told so is not known.
            await self._enqueue(PendingMessage(message.sequence, len(message.payload), committed_ids=ids))
            return
        if batch.unreadable is not None or batch.rejections:
            await self._reject(message, batch)
        spans = sampled_items(ids, batch.traceparents)
        await self._enqueue(PendingMessage(message.sequence, len(message.payload), batch.changes, spans))

    async def _enqueue(self, message: PendingMessage) -> None:
        await self._buffer.add(message)
        self._buffered_sequence = max(self._buffered_sequence, message.sequence)

    async def _reject(self, message: LogMessage, batch: DecodedBatch) -> None:
        """Buries what can never be indexed, before the checkpoint may pass it."""
        reason = batch.unreadable or "; ".join(rejection.reason for rejection in batch.rejections)
        logger.warning(
            "a message, or part of it, cannot be indexed",
            extra={"collection": self._record.name, "sequence": message.sequence, "reason": reason},
        )
        await self._retrying.until_available(
            lambda: self._outlet.bury(message, batch.rejected_payload, reason), "bury a message"
        )
        known = {
            outcome.id: outcome
            for outcome in await self._writer.current([rejection.id for rejection in batch.rejections])
        }
        statuses = [
            rejection_status(self._record.users_name, self._writer.manifest.version, rejection, known.get(rejection.id))
            for rejection in batch.rejections
            if rejection.id
        ]
        await self._retrying.until_available(lambda: self._statuses.tell(statuses), "write item statuses")
        metrics.REJECTED_ITEMS.labels(self._record.name).inc(len(batch.rejections) or 1)

    async def _commit_when_due(self) -> None:
        while messages := await self._buffer.take(self._last_commit):
            self._last_commit = asyncio.get_running_loop().time()
            await self._commit(messages)

    async def _commit(self, messages: Sequence[PendingMessage]) -> None:
        changes = [change for message in messages for change in message.changes]
        with CommitTrace(self._record.name, [span for message in messages for span in message.spans]) as traced:
            if messages[-1].sequence > self._writer.manifest.checkpoint.sequence:
                outcomes = await self._commit_changes(changes, messages[-1].sequence)
                traced.committed(self._writer.manifest.version)
                await self._announce("commit", traced.traceparents)
            else:
                outcomes = []
        committed_ids = list(dict.fromkeys(item_id for message in messages for item_id in message.committed_ids))
        if committed_ids:
            outcomes = [*outcomes, *await self._writer.current(committed_ids)]
        self._statuses.committed(self._writer.manifest.version, messages[-1].sequence, outcomes)
        metrics.COMMITTED_ITEMS.labels(self._record.name).inc(len(changes))
        self._merger.poke(len(changes))

    async def _commit_changes(self, changes: Sequence[Change], sequence: int) -> list[ItemOutcome]:
        async def commit() -> list[ItemOutcome]:
            self._require_ownership()
            checkpoint = Checkpoint(
                sequence=sequence, stream_created_at=self._writer.manifest.checkpoint.stream_created_at
            )
            return await self._writer.commit(changes, checkpoint, announced_sequence=self._statuses.announced_sequence)

        async with self._writing:
            with metrics.COMMIT_SECONDS.time():
                return await self._retrying.until_available(commit, "commit")

    async def _commit_merge(self, task: MergeTask) -> None:
        async def commit() -> bool:
            self._require_ownership()
            return await self._writer.commit_merge(task)

        async with self._writing:
            was_committed = await self._retrying.until_available(commit, "commit a merge")
        if was_committed:
            await self._announce("merge")
        else:
            logger.info("dropped a merge: another generation is live", extra={"collection": self._record.name})

    async def _announce(
        self, reason: Literal["created", "commit", "merge", "switch"], traceparents: tuple[str, ...] = ()
    ) -> None:
        """Tells searchers of the newest manifest. One that another commit replaced meanwhile need not be told."""
        manifest = self._writer.manifest
        event = IndexReady(
            collection=manifest.collection,
            collection_uid=manifest.collection_uid,
            generation=manifest.generation,
            space=manifest.space,
            manifest_version=manifest.version,
            items=manifest.items,
            segments=len(manifest.segments),
            checkpoint=manifest.checkpoint.sequence,
            committed_at=manifest.created_at,
            reason=reason,
            traceparents=traceparents,
        )
        await self._retrying.until_available(lambda: self._outlet.announce_ready(event), "announce a manifest")
        metrics.observe_manifest(manifest, reason)

    def _require_ownership(self) -> None:
        if not self._is_owner():
            raise ConflictError(f"the lease of collection {self._record.name!r} ran out; another indexer may own it")
