"""Creates, describes and deletes collections."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

from sightwire.bus.collections import CollectionDirectory, CollectionRegistry
from sightwire.contracts.collections import CollectionRecord, CollectionSpec
from sightwire.contracts.names import FIRST_GENERATION
from sightwire.errors import ConflictError, SightwireError, UnavailableError, UnknownCollectionError
from sightwire_gateway.backends import EmbedderClient, SearcherClient
from sightwire_gateway.collection_records import new_record

logger = logging.getLogger(__name__)

_SEEN_SECONDS: Final = 5.0


class CollectionDesk:
    """The collections as callers see them. Make it before the directory is entered: it listens to its changes."""

    def __init__(
        self,
        registry: CollectionRegistry,
        directory: CollectionDirectory,
        embedder: EmbedderClient,
        searcher: SearcherClient,
        *,
        default_name: str,
    ) -> None:
        self._registry = registry
        self._directory = directory
        self._embedder = embedder
        self._searcher = searcher
        self._default_name = default_name
        self._creating_default = asyncio.Lock()
        self._directory_changed = asyncio.Event()
        directory.add_listener(self._note_change)

    def get(self, name: str) -> CollectionRecord:
        """A collection, from memory.

        Raises:
            UnknownCollectionError: there is none.
        """
        return self._directory.get(name)

    async def get_or_default(self, name: str | None) -> CollectionRecord:
        """The named collection; without a name the default one, which is created when it is first needed.

        Raises:
            UnknownCollectionError: another one, which does not exist.
            UnavailableError: the default one cannot be created now.
        """
        wanted = name if name is not None else self._default_name
        record = self._directory.find(wanted)
        if record is not None:
            return record
        if wanted != self._default_name:
            return self._directory.get(wanted)
        async with self._creating_default:
            record = self._directory.find(wanted)
            if record is not None:
                return record
            try:
                return await self.create(CollectionSpec(name=wanted, description="Default collection"))
            except ConflictError:
                # Another gateway was faster.
                return await self._registry.get(wanted)

    async def create(self, spec: CollectionSpec) -> CollectionRecord:
        """Registers a collection. Searches in it can be answered at once: searchers load what they do not know yet.

        Raises:
            ConflictError: the name is taken.
            InvalidInputError: the model bundle cannot serve its fields.
            UnavailableError: the embedder, which knows the bundle, or the bus does not answer.
        """
        if self._directory.find(spec.name) is not None:
            raise ConflictError(f"collection {spec.name!r} exists already; delete it or choose another name")
        model = await self._embedder.describe_model() if spec.embeds else None
        record = new_record(spec, model)
        await self._registry.create(record)
        await self._wait_until(lambda: self._directory.find(spec.name) is not None)
        return record

    async def delete(self, name: str) -> None:
        """Removes a collection.

        Raises:
            UnknownCollectionError: there is none.
        """
        await self._registry.delete(name)
        await self._wait_until(lambda: self._directory.find(name) is None)

    async def describe(self, record: CollectionRecord) -> dict[str, Any]:
        """The record with what the searcher says of it.

        Raises:
            UnavailableError: the searcher does not answer.
        """
        try:
            described = await self._searcher.describe(record.name)
        except UnknownCollectionError:
            # Registered, but no searcher has loaded it yet: there is nothing in it that could be found.
            answer = public_record(record, FIRST_GENERATION)
            return {**answer, "items": 0, "segments": 0, "manifest_version": 0, "resident_bytes": 0, "disk_bytes": 0}
        return {
            **public_record(record, described.generation),
            "items": described.items,
            "segments": described.segments,
            "manifest_version": described.manifest_version,
            "resident_bytes": described.resident_bytes,
            "disk_bytes": described.disk_bytes,
        }

    async def list(self) -> list[dict[str, Any]]:
        """All collections in short; sizes are None while the searcher does not answer."""

        async def listed(record: CollectionRecord) -> dict[str, Any]:
            short: dict[str, Any] = {
                "name": record.name,
                "description": record.spec.description,
                "created_at": record.created_at,
            }
            try:
                described = await self.describe(record)
            except SightwireError as error:
                logger.warning("cannot describe a collection", extra={"collection": record.name, "error": error.detail})
                return {**short, "items": None, "manifest_version": None}
            return {**short, "items": described["items"], "manifest_version": described["manifest_version"]}

        return list(await asyncio.gather(*map(listed, self._directory.all())))

    async def wait_until_known(self, name: str) -> None:
        """Until a collection that somebody else registered can be looked up here.

        Raises:
            UnavailableError: it was not in time.
        """
        await self._wait_until(lambda: self._directory.find(name) is not None)

    def count(self) -> int:
        """How many collections there are."""
        return len(self._directory.all())

    async def _wait_until(self, condition: Callable[[], bool]) -> None:
        """Until the directory has seen a change that was made."""
        try:
            async with asyncio.timeout(_SEEN_SECONDS):
                while not condition():
                    await self._directory_changed.wait()
        except TimeoutError:
            raise UnavailableError(
                "the change is stored, but did not come back over the bus in time; look again"
            ) from None

    async def _note_change(self, _name: str, _record: CollectionRecord | None) -> None:
        self._directory_changed.set()
        self._directory_changed = asyncio.Event()


def public_record(record: CollectionRecord, generation: str) -> dict[str, Any]:
    """A record as answers show it: the specification's members with those that the platform added."""
    return {
        **record.spec.model_dump(mode="json"),
        "uid": record.uid,
        "created_at": record.created_at,
        "space": record.space,
        "generation": generation,
        "class_names": list(record.class_names),
    }
