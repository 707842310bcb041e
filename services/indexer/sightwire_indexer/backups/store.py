"""The backup store: which backups there are, and their descriptions."""

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

from sightwire.blobs import open_blob_store
from sightwire.blobs.store import BlobStore
from sightwire.errors import ConfigurationError, ConflictError, CorruptDataError, NotFoundError
from sightwire_indexer.backups.encoding import Cipher
from sightwire_indexer.backups.files import BackupFiles
from sightwire_indexer.backups.layout import MANIFEST_FILE, ROOT, BackupLayout
from sightwire_indexer.backups.manifest import BackupManifest, parse_backup, serialize_backup
from sightwire_indexer.backups.options import BackupOptions

logger = logging.getLogger(__name__)

#: Descriptions of backups, in a store that may be far away.
_READ_AT_ONCE: Final = 16


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Backups of an incarnation of a collection, oldest first, and the keys of descriptions that are damaged."""

    layout: BackupLayout
    backups: tuple[BackupManifest, ...]
    damaged: tuple[str, ...] = ()


class BackupStore:
    """Backups in a blob store.

    Args:
        spool: folder of this machine for files that are being encoded and decoded.
    """

    def __init__(self, blobs: BlobStore, cipher: Cipher, *, spool: Path, compression_level: int) -> None:
        self._blobs = blobs
        self._spool = spool
        self.files = BackupFiles(blobs, cipher, compression_level=compression_level)

    @property
    def root(self) -> Path | None:
        """Folder of a local backup store; None for a remote one."""
        return self._blobs.root

    @asynccontextmanager
    async def workspace(self) -> AsyncIterator[Path]:
        """A temporary folder on this machine."""
        await asyncio.to_thread(self._spool.mkdir, parents=True, exist_ok=True)
        folder = Path(await asyncio.to_thread(mkdtemp, dir=self._spool))
        try:
            yield folder
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def layouts(self, collection: str | None = None) -> list[BackupLayout]:
        """Incarnations that have, or are getting, backups; of one or of all collections."""
        parents = [f"{ROOT}/{collection}"] if collection is not None else await self._blobs.folders(ROOT)
        folders = [folder for parent in parents for folder in await self._blobs.folders(parent)]
        return [BackupLayout(*folder.split("/")[1:3]) for folder in folders]

    async def catalogue(self, layout: BackupLayout) -> Catalogue:
        """What backups there are of an incarnation."""
        keys = [key for key in await self._blobs.keys(layout.backups_prefix) if key.endswith(f"/{MANIFEST_FILE}")]
        reading = asyncio.Semaphore(_READ_AT_ONCE)

        async def read(key: str) -> BackupManifest | None:
            async with reading:
                return await self._read(key)

        results = await asyncio.gather(*map(read, keys), return_exceptions=True)
        backups: list[BackupManifest] = []
        damaged: list[str] = []
        for key, result in zip(keys, results, strict=True):
            if isinstance(result, CorruptDataError):
                logger.error("the description of a backup is damaged", extra={"key": key, "error": result.detail})
                damaged.append(key)
            elif isinstance(result, BaseException):
                raise result
            elif result is not None:
                backups.append(result)
        ordered = sorted(backups, key=lambda backup: (backup.created_at, backup.id))
        return Catalogue(layout, tuple(ordered), tuple(damaged))

    async def catalogues(self, collection: str | None = None) -> list[Catalogue]:
        """What backups there are of one or of all collections."""
        return [await self.catalogue(layout) for layout in await self.layouts(collection)]

    async def find(self, backup: str) -> BackupManifest:
        """A backup.

        Raises:
            NotFoundError: there is none of this id.
            CorruptDataError: its description is damaged.
        """
        for layout in await self.layouts():
            key = layout.manifest_key(backup)
            found = await self._read(key)
            if found is None:
                continue
            if found.id != backup or found.layout != layout:
                raise CorruptDataError(f"blob {key!r} describes backup {found.id!r} of {found.layout.prefix}")
            return found
        raise NotFoundError(f"there is no backup {backup!r} in the backup store; `sightwire backup list` names them")

    async def create(self, backup: BackupManifest) -> None:
        """Makes a backup exist. All its files must be stored before.

        Raises:
            ConflictError: one of its id exists.
        """
        key, data = backup.layout.manifest_key(backup.id), serialize_backup(backup)
        try:
            await self._blobs.create(key, data)
        except ConflictError:
            # Where an answer of the store got lost, the same request was sent again and met what the first had made.
            if await self._blobs.get(key) != data:
                raise

    async def remove(self, backup: BackupManifest) -> None:
        """Makes a backup not exist any more; its files stay for the others."""
        await self._blobs.delete([backup.layout.manifest_key(backup.id)])

    async def _read(self, key: str) -> BackupManifest | None:
        """A backup by the key of its description; None if there is none, or none any more."""
        try:
            return parse_backup(await self._blobs.get(key), key)
        except NotFoundError:
            return None


def open_backup_store(options: BackupOptions) -> BackupStore:
    """Opens the backup store; what a process before this one left in the spool is removed.

    Raises:
        ConfigurationError: its folder, a recipient or the identity file cannot be used.
    """
    shutil.rmtree(options.spool, ignore_errors=True)
    cipher = Cipher(options.recipients, options.identity_file)
    try:
        blobs = open_blob_store(options.url)
    except ConfigurationError as error:
        raise ConfigurationError(
            f"backups: {error.detail}; set SIGHTWIRE_INDEXER_BACKUPS_URL to a folder that the indexer may write to, or "
            "to s3://bucket/prefix"
        ) from error
    return BackupStore(blobs, cipher, spool=options.spool, compression_level=options.compression_level)
