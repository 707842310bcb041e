"""Removes the indexes of collections that were deleted, or that gave up their own index for that of a shadow.

Items' pictures stay: they belong to no index.
"""

import asyncio
import logging
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from sightwire.blobs.store import BlobStore
from sightwire.bus.collections import CollectionRegistry
from sightwire.bus.leases import RENEW_SECONDS, Lease, LeaseKeeper
from sightwire.errors import UnknownCollectionError
from sightwire_indexer.operations.store import OperationStore
from sightwire_indexer.ownership import lease_name

logger = logging.getLogger(__name__)

#: Folder of all indexes in the blob store.
INDEXES: Final = "indexes"


def folders_of_collection(folders: Iterable[str], collection: str, *, keep_uid: str | None) -> list[str]:
    """Those of the `indexes/<collection>-<uid>` folders that belong to other incarnations than `keep_uid`.

    A uid has no hyphen, so that `photos-1a2b` is of `photos`, and `photos-old-1a2b` is not.
    """
    prefix = f"{INDEXES}/{collection}-"
    return [
        folder
        for folder in folders
        if folder.startswith(prefix) and "-" not in (uid := folder.removeprefix(prefix)) and uid != keep_uid
    ]


async def remove_past_incarnations(blobs: BlobStore, cache: Path, collection: str, *, keep_uid: str) -> None:
    """Deletes what is stored of a name that was deleted and created again; the caller owns the collection.

    Args:
        cache: this machine's copies of segments of a remote store.
        keep_uid: the incarnation that exists now.
    """
    stale = folders_of_collection(await blobs.folders(INDEXES), collection, keep_uid=keep_uid)
    await remove_folders(blobs, cache, stale)


async def remove_folders(blobs: BlobStore, cache: Path, folders: Iterable[str]) -> None:
    """Deletes folders of indexes, and this machine's copies. May be repeated."""
    for folder in folders:
        await blobs.delete_folder(folder)
        await asyncio.to_thread(shutil.rmtree, blobs.local_path(folder) or cache / folder, ignore_errors=True)
        logger.info("removed an index that nobody needs any more", extra={"folder": folder})


class Remover:
    """Removes indexes, whichever indexer owned them."""

    def __init__(
        self,
        leases: LeaseKeeper,
        registry: CollectionRegistry,
        blobs: BlobStore,
        operations: OperationStore,
        cache: Path,
    ) -> None:
        self._leases = leases
        self._registry = registry
        self._blobs = blobs
        self._operations = operations
        self._cache = cache

    async def remove_deleted(self, collection: str) -> None:
        """Deletes what is stored of a name that has no index any more, as soon as nobody indexes it, and ends its
        operations.

        An index is only created under the lease. So, with the lease held, the folders that exist are either those of
        the incarnation that the registry names now, or nobody's.

        Raises:
            UnavailableError: the bus or the blob store does not answer.
        """
        lease = await self._lease(collection)
        try:
            folders = await self._blobs.folders(INDEXES)
            # Asked after the listing: an incarnation that is created from now on has no folder in it.
            living_uid = await self._indexed_uid(collection)
            stale = folders_of_collection(folders, collection, keep_uid=living_uid)
            await remove_folders(self._blobs, self._cache, stale)
            await self._operations.end_orphans(collection, living_uid=living_uid)
        finally:
            await self._leases.release(lease)

    async def _lease(self, collection: str) -> Lease:
        while True:
            lease = await self._leases.acquire(lease_name(collection))
            if lease is not None:
                return lease
            await asyncio.sleep(RENEW_SECONDS)

    async def _indexed_uid(self, collection: str) -> str | None:
        """The incarnation that has an index, None if none has."""
        try:
            record = await self._registry.get(collection)
        except UnknownCollectionError:
            return None
        return record.uid if record.has_index else None
