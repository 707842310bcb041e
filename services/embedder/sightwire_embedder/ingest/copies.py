"""Which index a collection's items go into first, and which copies of it get them afterwards."""

from sightwire.bus.collections import CollectionDirectory, CollectionRegistry
from sightwire.contracts.collections import CollectionRecord
from sightwire.errors import UnavailableError, UnknownCollectionError


class Copies:
    """Looks collections up in a directory, which may be some milliseconds behind, and in the registry."""

    def __init__(self, directory: CollectionDirectory, registry: CollectionRegistry) -> None:
        self._directory = directory
        self._registry = registry

    async def find(self, name: str) -> CollectionRecord:
        """A collection. Raises `UnknownCollectionError` if there is none."""
        return self._directory.find(name) or await self._registry.get(name)

    async def answering(self, collection: CollectionRecord) -> CollectionRecord:
        """The collection whose index answers: this one, or a shadow of it.

        Raises:
            UnavailableError: the shadow is gone, as after a change that is not known here yet.
        """
        if collection.answering is None:
            return collection
        try:
            return await self.find(collection.answering)
        except UnknownCollectionError as error:
            raise UnavailableError(
                f"the index {collection.answering!r} that answers for collection {collection.name!r} is gone"
            ) from error

    async def others(self, collection: CollectionRecord, index_name: str) -> list[CollectionRecord]:
        """The copies that a collection has now, without the one of `index_name`."""
        present = self._directory.find(collection.name)
        if present is None or present.uid != collection.uid:
            return []
        copies = []
        for name in present.copies:
            if name == index_name:
                continue
            try:
                copies.append(await self.find(name))
            except UnknownCollectionError:
                # It is being dropped.
                continue
        return copies
