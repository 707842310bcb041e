"""`sightwire.collections`: create, list, get, delete."""

from typing import TYPE_CHECKING, Any

from sightwire.client import calls
from sightwire.client.models import Collection, CollectionSummary

if TYPE_CHECKING:
    from sightwire.client.asynchronous.client import AsyncSightwire


class Collections:
    """`sightwire.collections`."""

    def __init__(self, sightwire: "AsyncSightwire") -> None:
        self._send = sightwire.send

    async def create(self, name: str, **options: Any) -> Collection:
        """Create a collection; `options` are those of `CollectionSpec` (description, fields, metadata, index, …).

        Example::

            await sightwire.collections.create("shop", metadata={"price": {"type": "float"}})
        """
        return await self._send(calls.create_collection(name, options))

    async def list(self) -> list[CollectionSummary]:
        """All collections."""
        return await self._send(calls.list_collections())

    async def get(self, name: str) -> Collection:
        """One collection, with its size."""
        return await self._send(calls.get_collection(name))

    async def delete(self, name: str) -> None:
        """Delete a collection and everything in it."""
        await self._send(calls.delete_collection(name))
