"""The blob store: immutable objects by key, on a local folder or S3, through obstore."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final
from uuid import uuid4

import obstore
from obstore.exceptions import AlreadyExistsError
from obstore.store import ObjectStore

from sightwire.blobs.durability import make_durable
from sightwire.blobs.failures import store_failures
from sightwire.blobs.transfers import DOWNLOAD_CHUNK_BYTES, PARTS_AT_ONCE, part_bytes
from sightwire.errors import ConflictError, CorruptDataError, NotFoundError

if TYPE_CHECKING:
    from hashlib import _Hash

#: Keys that S3 deletes in one request.
_DELETED_AT_ONCE: Final = 1000


@dataclass(frozen=True, slots=True)
class BlobEntry:
    """An object as the store lists it."""

    key: str
    bytes: int
    modified_at: datetime


class BlobStore:
    """Objects by key. When a put returns, the object is whole and would survive a power cut.

    Keys are relative paths such as `pictures/ab/abcd…`. Every method raises UnavailableError when the store cannot be
    reached or refuses, after it tried for some seconds.
    """

    def __init__(self, store: ObjectStore, *, root: Path | None) -> None:
        self._store = store
        self._root = root

    @property
    def root(self) -> Path | None:
        """Folder of a local store; None for a remote one."""
        return self._root

    def local_path(self, key: str) -> Path | None:
        """Where an object (or a folder of objects) lies on this machine, if the store is a local folder."""
        return self._root / key if self._root is not None else None

    async def put(self, key: str, data: bytes | Path) -> None:
        """Stores an object, replacing one of the same key; nobody ever sees a part of it.

        Large ones go to S3 in parts. An upload that was cut off by a crash leaves parts there that only a rule of the
        bucket removes, and in a folder a hidden file.

        Raises:
            UnavailableError: the store did not take it.
        """
        size = len(data) if isinstance(data, bytes) else (await asyncio.to_thread(data.stat)).st_size
        with store_failures(key):
            await obstore.put_async(
                self._store,
                key,
                data,
                mode="overwrite",
                chunk_size=part_bytes(size),
                max_concurrency=PARTS_AT_ONCE,
            )
        if self._root is not None:
            await make_durable(self._root, key)

    async def create(self, key: str, data: bytes | Path) -> None:
        """Stores an object unless its key exists: the compare-and-set of manifests.

        Raises:
            ConflictError: the key exists. If the answer to an earlier attempt was lost, it is that attempt's.
            UnavailableError: the store did not take it, or its answer was lost.
        """
        with store_failures(key):
            try:
                # A multipart upload cannot be conditional; what is created this way is small.
                await obstore.put_async(self._store, key, data, mode="create", use_multipart=False)
            except AlreadyExistsError as error:
                raise ConflictError(f"blob {key!r} exists already") from error
        if self._root is not None:
            await make_durable(self._root, key)

    async def get(self, key: str) -> bytes:
        """All of an object.

        Raises:
            NotFoundError: there is none.
        """
        with store_failures(key):
            result = await obstore.get_async(self._store, key)
            return bytes(await result.bytes_async())

    async def get_range(self, key: str, start: int, length: int) -> bytes:
        """`length` bytes of an object from `start`.

        Raises:
            NotFoundError: there is none.
        """
        with store_failures(key):
            return bytes(await obstore.get_range_async(self._store, key, start=start, length=length))

    async def stream(self, key: str) -> AsyncIterator[bytes]:
        """An object in chunks of about a MiB.

        Raises:
            NotFoundError: there is none.
        """
        with store_failures(key):
            result = await obstore.get_async(self._store, key)
            async for chunk in result.stream(min_chunk_size=DOWNLOAD_CHUNK_BYTES):
                yield bytes(chunk)

    async def size(self, key: str) -> int | None:
        """Bytes of an object, None if there is none."""
        try:
            with store_failures(key):
                return (await obstore.head_async(self._store, key))["size"]
        except NotFoundError:
            return None

    async def keys(self, prefix: str) -> list[str]:
        """Keys below `prefix` (a folder), sorted."""
        return [entry.key for entry in await self.entries(prefix)]

    async def entries(self, prefix: str) -> list[BlobEntry]:
        """Objects below `prefix` (a folder), by key."""
        with store_failures(prefix):
            batches = [batch async for batch in obstore.list(self._store, prefix.rstrip("/"))]
        listed = [BlobEntry(meta["path"], meta["size"], meta["last_modified"]) for batch in batches for meta in batch]
        return sorted(listed, key=lambda entry: entry.key)

    async def folders(self, prefix: str) -> list[str]:
        """Folders directly below the folder `prefix`, sorted."""
        with store_failures(prefix):
            listed = await obstore.list_with_delimiter_async(self._store, prefix.rstrip("/") + "/")
        return sorted(folder.rstrip("/") for folder in listed["common_prefixes"])

    async def delete(self, keys: list[str]) -> None:
        """Deletes objects, many in one request where the store can; those that are gone already do not matter."""
        if self._root is not None:
            for key in keys:
                await self._delete(key)
            return
        for start in range(0, len(keys), _DELETED_AT_ONCE):
            batch = keys[start : start + _DELETED_AT_ONCE]
            with store_failures(batch[0]):
                await obstore.delete_async(self._store, batch)

    async def delete_folder(self, prefix: str) -> None:
        """Deletes all objects below `prefix`."""
        await self.delete(await self.keys(prefix))

    async def download(self, key: str, destination: Path, *, sha256: str | None = None) -> None:
        """Copies an object into a file, which appears only when it is whole.

        Args:
            sha256: of its content, if that is to be checked.

        Raises:
            NotFoundError: there is none.
            CorruptDataError: its content is another one.
        """
        # A name of its own: the same object may be fetched twice at once.
        partial = destination.with_name(f".{destination.name}.{uuid4().hex}.part")
        digest = hashlib.sha256()
        file = await asyncio.to_thread(_create, partial)
        try:
            with file:
                async for chunk in self.stream(key):
                    await asyncio.to_thread(_append, file, chunk, None if sha256 is None else digest)
            if sha256 is not None and digest.hexdigest() != sha256:
                raise CorruptDataError(f"blob {key!r} has sha256 {digest.hexdigest()}, but {sha256} was expected")
            await asyncio.to_thread(partial.replace, destination)
        finally:
            await asyncio.to_thread(partial.unlink, missing_ok=True)

    async def _delete(self, key: str) -> None:
        try:
            with store_failures(key):
                await obstore.delete_async(self._store, key)
        except NotFoundError:
            return


def _create(path: Path) -> BinaryIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("wb")


def _append(file: BinaryIO, chunk: bytes, digest: "_Hash | None") -> None:
    file.write(chunk)
    if digest is not None:
        digest.update(chunk)
