"""Lists a collection's generations, forgets some, and finds their reports."""

import asyncio

from sightwire.contracts.control import Generation, GenerationList
from sightwire.contracts.validation import ValidationReport
from sightwire.errors import ConflictError, InvalidInputError, NotFoundError
from sightwire.segments.generations import MADE_WITH_COLLECTION, GenerationRecord, GenerationState
from sightwire.segments.index_writer import IndexWriter
from sightwire.segments.manifest import Manifest
from sightwire_indexer.validation.gatekeeper import Gatekeeper


class GenerationDesk:
    """Of one collection.

    Args:
        writing: held while the index's records are written; commits and switches take it, too.
    """

    def __init__(self, writer: IndexWriter, gatekeeper: Gatekeeper, *, writing: asyncio.Lock) -> None:
        self._writer = writer
        self._gatekeeper = gatekeeper
        self._writing = writing

    async def list(self) -> GenerationList:
        """The live generation and all others, by number."""
        manifest = self._writer.manifest
        live_record = await self._writer.generation(manifest.generation)
        records = await self._writer.generations()
        verdicts = await self._gatekeeper.verdicts([manifest.generation, *(record.name for record in records)])
        live = _live_generation(manifest, live_record, validated=verdicts.get(manifest.generation))
        others = [_generation(record, validated=verdicts.get(record.name)) for record in records]
        return GenerationList(
            collection=manifest.collection,
            live=manifest.generation,
            manifest_version=manifest.version,
            generations=(live, *others),
        )

    async def forget(self, name: str) -> GenerationList:
        """Forgets a generation; returns those that stay.

        Raises:
            InvalidInputError: it is live.
            ConflictError: it is being built.
            NotFoundError: there is none of this name.
        """
        async with self._writing:
            record = await self._writer.generation(name)
            if name == self._writer.manifest.generation:
                raise InvalidInputError(f"generation {name!r} is live; make another one live first")
            if record is None:
                raise NotFoundError(f"collection {self._writer.manifest.collection!r} has no generation {name!r}")
            if record.state is GenerationState.BUILDING:
                raise ConflictError(f"generation {name!r} is being built; cancel the operation that builds it")
            await self._writer.forget(name)
        return await self.list()

    async def report(self, name: str) -> ValidationReport:
        """The newest report of a generation.

        Raises:
            NotFoundError: it never came to the gates, or is forgotten.
        """
        return await self._gatekeeper.report(name)


def _generation(record: GenerationRecord, *, validated: bool | None) -> Generation:
    return Generation(
        name=record.name,
        state=record.state.value,
        space=record.space,
        index=record.index,
        created_at=record.created_at.isoformat(),
        items=record.items,
        segments=len(record.segments),
        disk_bytes=sum(segment.disk_bytes for segment in record.segments),
        reason=record.reason,
        validated=validated,
    )


def _live_generation(manifest: Manifest, record: GenerationRecord | None, *, validated: bool | None) -> Generation:
    return Generation(
        name=manifest.generation,
        state="live",
        space=manifest.space,
        index=manifest.index,
        created_at=(manifest if record is None else record).created_at.isoformat(),
        items=manifest.items,
        segments=len(manifest.segments),
        disk_bytes=sum(segment.disk_bytes for segment in manifest.segments),
        reason=MADE_WITH_COLLECTION if record is None else record.reason,
        validated=validated,
    )
