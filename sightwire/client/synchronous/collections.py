"""`sightwire.collections`: create, list, get, delete."""

from typing import TYPE_CHECKING, Any

from sightwire.client import calls
from sightwire.client.models import Collection, CollectionSummary

if TYPE_CHECKING:
    from sightwire.client.synchronous.client import Sightwire


class Collections:
    """`sightwire.collections`."""

    def __init__(self, sightwire: "Sightwire") -> None:
        self._send = sightwire.send

    def create(self, name: str, **options: Any) -> Collection:
        """Create a collection; `options` are those of `CollectionSpec` (description, fields, metadata, index, …).

        Example::

            sightwire.collections.create("shop", metadata={"price": {"type": "float"}})
        """
        return self._send(calls.create_collection(name, options))

    def list(self) -> list[CollectionSummary]:
        """All collections."""
        return self._send(calls.list_collections())

    def get(self, name: str) -> Collection:
        """One collection, with its size."""
        return self._send(calls.get_collection(name))

    def delete(self, name: str) -> None:
        """Delete a collection and everything in it."""
        self._send(calls.delete_collection(name))
