"""The way of a finished generation: through its gates, then live in every searcher."""

import asyncio
from typing import Any, Final

from sightwire.contracts.operations import Progress
from sightwire.contracts.validation import GateThresholds, ValidationReport
from sightwire.errors import GenerationRefusedError, InvalidInputError
from sightwire.segments.generations import GenerationState, kept_newest_first
from sightwire.segments.index_writer import IndexWriter
from sightwire_indexer.collection_indexer import CollectionIndexer
from sightwire_indexer.operations.migration_guard import MigrationGuard
from sightwire_indexer.operations.operation import Operation
from sightwire_indexer.switching import DEFAULT_FOLLOW_SECONDS, SwitchReport
from sightwire_indexer.validation.gatekeeper import Gatekeeper

#: Failures of a gate that an error names; the report has them all.
_NAMED_FAILURES: Final = 3


class Activation:
    """Of one collection.

    Args:
        writing: held while the index's records are written; commits and switches take it, too.
        guard: asked once more before a generation becomes live: a migration may have begun since the operation did.
    """

    def __init__(
        self,
        indexer: CollectionIndexer,
        writer: IndexWriter,
        gatekeeper: Gatekeeper,
        guard: MigrationGuard,
        *,
        writing: asyncio.Lock,
    ) -> None:
        self._guard = guard
        self._indexer = indexer
        self._writer = writer
        self._gatekeeper = gatekeeper
        self._writing = writing

    async def run(
        self,
        operation: Operation,
        name: str,
        *,
        activate: bool = True,
        gates: GateThresholds | None = None,
        carry_over: bool = True,
        follow_seconds: float = DEFAULT_FOLLOW_SECONDS,
    ) -> dict[str, Any]:
        """Puts a generation through the gates and, with `activate`, makes it live; may be repeated after a crash.

        Returns:
            `generation`, `manifest_version` of what is live, `report` (its key), and `left` after a switch.

        Raises:
            GenerationRefusedError: it failed; the live one is as it was.
            ConflictError: the collection moves to another model, and this generation may have other items.
            InvalidInputError: it was live before the operation began, or may not become so.
            NotFoundError: there is no such generation.
        """
        if self._became_live_before(operation, name):
            return await self._confirmed(name, follow_seconds)
        validated = await self.validate(operation, name, gates)
        if not activate:
            return validated
        return await self.switch(operation, name, carry_over=carry_over, follow_seconds=follow_seconds)

    async def validate(self, operation: Operation, name: str | None, gates: GateThresholds | None) -> dict[str, Any]:
        """Puts a generation (None: the live one) through the gates and keeps the report.

        Returns:
            `generation`, `manifest_version` of the live one that it was compared with, and `report` (its key).

        Raises:
            GenerationRefusedError: it failed one; if it never was live, it will not become so.
            NotFoundError: there is no such generation.
        """
        await operation.report(Progress(stage="validating"))
        report = await self._gatekeeper.validate(name, gates, operation)
        if not report.passed:
            await self._mark_failed(report.generation)
            raise GenerationRefusedError(_refusal(report), generation=report.generation)
        return {
            "generation": report.generation,
            "manifest_version": report.manifest_version,
            "report": self._gatekeeper.key_of(report),
        }

    async def switch(
        self, operation: Operation, name: str, *, carry_over: bool, follow_seconds: float
    ) -> dict[str, Any]:
        """Makes a generation live without asking the gates; otherwise as `run`."""
        if self._became_live_before(operation, name):
            return await self._confirmed(name, follow_seconds)
        await self._guard.check(operation.record.command)
        await operation.report(Progress(stage="switching"))
        report = await self._indexer.switch(name, carry_over=carry_over, follow_seconds=follow_seconds)
        return await self._followed(report)

    async def _confirmed(self, name: str, follow_seconds: float) -> dict[str, Any]:
        """An earlier attempt made it live; whether the searchers serve it, nobody may have asked."""
        kept = kept_newest_first(await self._writer.generations())
        if not kept:
            return await self._result(name)
        return await self._followed(await self._indexer.confirm_switch(kept[0].name, follow_seconds=follow_seconds))

    async def _followed(self, report: SwitchReport) -> dict[str, Any]:
        if not report.succeeded:
            raise GenerationRefusedError(
                f"searchers did not follow to generation {report.name!r}, so {report.left!r} is live again: "
                + "; ".join(f"{searcher}: {reason}" for searcher, reason in report.reasons.items()),
                generation=report.name,
            )
        return {**await self._result(report.name), "left": report.left}

    def _became_live_before(self, operation: Operation, name: str) -> bool:
        """Whether an earlier attempt made it live.

        Raises:
            InvalidInputError: it was live before.
        """
        manifest = self._writer.manifest
        if manifest.generation != name:
            return False
        if operation.record.attempts == 1:
            raise InvalidInputError(f"generation {name!r} of {manifest.collection!r} is live already")
        return True

    async def _result(self, name: str) -> dict[str, Any]:
        record = await self._writer.generation(name)
        return {
            "generation": name,
            "manifest_version": self._writer.manifest.version,
            "report": record.report_key if record is not None else None,
        }

    async def _mark_failed(self, name: str) -> None:
        async with self._writing:
            record = await self._writer.generation(name)
            is_live = name == self._writer.manifest.generation
            # One that was live can be gone back to, whatever the gates think of it.
            if not is_live and record is not None and record.state is GenerationState.STAGED:
                await self._writer.stage(record.model_copy(update={"state": GenerationState.FAILED}))


def _refusal(report: ValidationReport) -> str:
    failed = [gate for gate in report.gates if not gate.passed]
    words = [f"{gate.gate}: {'; '.join([gate.summary, *gate.failures[:_NAMED_FAILURES]])}" for gate in failed]
    return f"generation {report.generation!r} failed {len(failed)} of {len(report.gates)} gates. {'. '.join(words)}"
