"""Creates, describes and deletes collections."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

from sightwire.bus.collections import CollectionDirectory, CollectionRegistry, unknown_collection
from sightwire.contracts.collections import CollectionRecord, CollectionSpec
from sightwire.contracts.names import FIRST_GENERATION
from sightwire.errors import ConflictError, SightwireError, UnavailableError, UnknownCollectionError
from sightwire_gateway.backends import EmbedderClient, SearcherClient
from sightwire_gateway.collection_records import new_record, public_record
from sightwire_gateway.users_names import check_users_name, errors_in_users_words

logger = logging.getLogger(__name__)

_SEEN_SECONDS: Final = 5.0


class CollectionDesk:
    """The collections as callers see them: shadows are none. Make it before the directory is entered: it listens to its
    changes."""

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

    def find(self, name: str) -> CollectionRecord | None:
        """A collection, from memory; None if there is none."""
        record = self._directory.find(name)
        return record if record is not None and record.shadow_of is None else None

    def get(self, name: str) -> CollectionRecord:
        """A collection, from memory.

        Raises:
            UnknownCollectionError: there is none.
        """
        record = self.find(name)
        if record is None:
            raise unknown_collection(name, [record.name for record in self.all()])
        return record

    def all(self) -> list[CollectionRecord]:
        """All collections by name."""
        return [record for record in self._directory.all() if record.shadow_of is None]

    def shadows(self) -> list[CollectionRecord]:
        """All shadows, which callers do not see."""
        return [record for record in self._directory.all() if record.shadow_of is not None]

    def index_of(self, record: CollectionRecord) -> CollectionRecord:
        """The record of the index that answers for a collection: its own, or that of a shadow.

        Raises:
            UnavailableError: it is not known here, or not any more.
        """
        index = self.find_copy(record, record.index_name)
        if index is None:
            raise UnavailableError(
                f"the index that answers for collection {record.name!r} is not known here; try again"
            )
        return index

    def answering(self, name: str) -> CollectionRecord:
        """The record of the index that answers for a collection.

        Raises:
            UnknownCollectionError, UnavailableError: as `get` and `index_of`.
        """
        return self.index_of(self.get(name))

    def find_copy(self, record: CollectionRecord, index_name: str) -> CollectionRecord | None:
        """The record of one of the indexes that hold a collection's items, by its own name; None if it is none."""
        if index_name not in record.copies:
            return None
        return record if index_name == record.name else self._directory.find(index_name)

    def copies(self, record: CollectionRecord) -> list[CollectionRecord]:
        """All indexes that hold a collection's items, the one that answers first."""
        index = self.index_of(record)
        found = (self.find_copy(record, name) for name in record.copies if name != index.name)
        return [index, *(copy for copy in found if copy is not None)]

    async def get_or_default(self, name: str | None) -> CollectionRecord:
        """The named collection; without a name the default one, which is created when it is first needed.

        Raises:
            UnknownCollectionError: another one, which does not exist.
            UnavailableError: the default one cannot be created now.
        """
        wanted = name if name is not None else self._default_name
        record = self.find(wanted)
        if record is not None:
            return record
        if wanted != self._default_name:
            return self.get(wanted)
        async with self._creating_default:
            record = self.find(wanted)
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
            InvalidInputError: the name is one of the platform's own, or the model bundle cannot serve its fields.
            UnavailableError: the embedder, which knows the bundle, or the bus does not answer.
        """
        check_users_name(spec.name)
        if self._directory.find(spec.name) is not None:
            raise ConflictError(f"collection {spec.name!r} exists already; delete it or choose another name")
        model = await self._embedder.describe_model() if spec.embeds else None
        record = new_record(spec, model)
        await self._registry.create(record)
        await self._wait_until(lambda: self._directory.find(spec.name) is not None)
        return record

    async def delete(self, name: str) -> None:
        """Removes a collection with its shadows.

        Raises:
            UnknownCollectionError: there is none.
        """
        record = self._directory.find(name)
        if record is not None and record.shadow_of is not None:
            raise unknown_collection(name, [])
        await self._registry.delete(name)
        await self._wait_until(lambda: self._directory.find(name) is None)

    async def describe(self, record: CollectionRecord) -> dict[str, Any]:
        """The record with what the searcher says of the index that answers.

        Raises:
            UnavailableError: the searcher does not answer.
        """
        index = self.index_of(record)
        try:
            with errors_in_users_words(index):
                described = await self._searcher.describe(index.name)
        except UnknownCollectionError:
            # Registered, but no searcher has loaded it yet: there is nothing in it that could be found.
            answer = public_record(record, index, FIRST_GENERATION)
            return {**answer, "items": 0, "segments": 0, "manifest_version": 0, "resident_bytes": 0, "disk_bytes": 0}
        return {
            **public_record(record, index, described.generation),
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

        return list(await asyncio.gather(*map(listed, self.all())))

    async def wait_until_known(self, name: str) -> None:
        """Until a collection that somebody else registered can be looked up here.

        Raises:
            UnavailableError: it was not in time.
        """
        await self._wait_until(lambda: self._directory.find(name) is not None)

    def count(self) -> int:
        """How many collections there are."""
        return len(self.all())

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
