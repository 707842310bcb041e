"""Which generations an index has beside the live one, and what may become of them."""

from datetime import UTC, datetime

from sightwire.errors import InvalidInputError, NotFoundError
from sightwire.segments.generation_store import GenerationStore
from sightwire.segments.generations import (
    MADE_WITH_COLLECTION,
    GenerationRecord,
    GenerationState,
    next_generation_name,
    superfluous,
)
from sightwire.segments.manifest import Manifest


class GenerationKeeper:
    """Belongs to the writer of an index; `manifest` is always its newest."""

    def __init__(self, store: GenerationStore) -> None:
        self._store = store

    async def all(self, manifest: Manifest) -> list[GenerationRecord]:
        """Every generation that is not live, by number."""
        return [record for record in await self._store.all() if record.name != manifest.generation]

    async def find(self, name: str) -> GenerationRecord | None:
        """The record of a generation, that of the live one too; None if there is none."""
        return await self._store.find(name)

    async def attach_report(self, name: str, report_key: str) -> None:
        """Notes where the newest report of a generation is; nothing happens if it has no record."""
        record = await self._store.find(name)
        if record is not None:
            await self._store.store(record.model_copy(update={"report_key": report_key}))

    async def next_name(self, manifest: Manifest) -> str:
        """A name that no generation has."""
        return next_generation_name([manifest.generation, *(record.name for record in await self._store.all())])

    async def stage(self, record: GenerationRecord, manifest: Manifest) -> None:
        """Stores a record.

        Raises:
            InvalidInputError: it has the name of the live generation, or is of another collection's future.
        """
        if record.name == manifest.generation:
            raise InvalidInputError(f"generation {record.name!r} is live; give what you stage a name of its own")
        if record.base_version > manifest.version:
            raise InvalidInputError(
                f"generation {record.name!r} is made from manifest version {record.base_version}, but the newest of "
                f"{manifest.collection!r} is {manifest.version}"
            )
        await self._store.store(record)

    async def keep_live(
        self, manifest: Manifest, *, name: str, state: GenerationState, reason: str | None = None
    ) -> GenerationRecord:
        """Stores what is live now as the generation `name`.

        Args:
            reason: None for what the generation's own record says already.
        """
        known = await self._store.find(name)
        record = GenerationRecord(
            name=name,
            state=state,
            space=manifest.space,
            index=manifest.index,
            created_at=datetime.now(UTC),
            segments=manifest.segments,
            base_version=manifest.version,
            reason=reason or (known.reason if known is not None else MADE_WITH_COLLECTION),
            report_key=known.report_key if known is not None else None,
        )
        await self._store.store(record)
        return record

    async def switchable(self, name: str, manifest: Manifest) -> GenerationRecord:
        """The record of a generation that may become live.

        Raises:
            InvalidInputError: it is live already, or must not become so.
            NotFoundError: there is none of this name.
        """
        if name == manifest.generation:
            raise InvalidInputError(f"generation {name!r} of {manifest.collection!r} is live already")
        record = await self._store.find(name)
        if record is None:
            names = [known.name for known in await self.all(manifest)]
            raise NotFoundError(
                f"collection {manifest.collection!r} has no generation {name!r}; beside the live "
                f"{manifest.generation!r} there are: {', '.join(names) or 'none'}"
            )
        if not record.state.can_become_live:
            raise InvalidInputError(
                f"generation {name!r} of {manifest.collection!r} is {record.state}; only a staged or a kept one can "
                "become live"
            )
        return record

    async def forget(self, name: str) -> None:
        """Forgets a generation; nothing happens if there is none. Garbage collection removes what only it needed."""
        await self._store.remove(name)

    async def forget_unfinished(self, manifest: Manifest) -> list[str]:
        """Forgets every generation that is being built; returns their names."""
        names = [record.name for record in await self.all(manifest) if record.state is GenerationState.BUILDING]
        for name in names:
            await self._store.remove(name)
        return names

    async def forget_old(self, manifest: Manifest, *, keep: int) -> list[str]:
        """Forgets all kept generations but the newest `keep`; returns the names of those that went."""
        names = [record.name for record in superfluous(await self.all(manifest), keep=keep)]
        for name in names:
            await self._store.remove(name)
        return names
