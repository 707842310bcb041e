"""The blob store: immutable objects by key, on a local folder or S3, through obstore."""

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.exceptions import NotFoundError as ObjectNotFoundError
from obstore.store import LocalStore, ObjectStore, from_url

from sightwire.blobs.durability import make_durable
from sightwire.errors import ConflictError, NotFoundError, UnavailableError

_STREAM_CHUNK_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class BlobEntry:
    """An object as the store lists it."""

    key: str
    bytes: int
    modified_at: datetime


class BlobStore:
    """Objects by key. When a put returns, the object is whole and would survive a power cut.

    Keys are relative paths such as `pictures/ab/abcd…`. Asynchronous methods are for services' event loops; where work
    happens in threads already, the `…_sync` twins save the round trip.
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
        """Stores an object, replacing one of the same key.

        Raises:
            UnavailableError: the store did not take it.
        """
        with _store_errors(key):
            await obstore.put_async(self._store, key, data, mode="overwrite")
        if self._root is not None:
            await make_durable(self._root, key)

    async def create(self, key: str, data: bytes | Path) -> None:
        """Stores an object unless its key exists: the compare-and-set of manifests.

        Raises:
            ConflictError: the key exists.
            UnavailableError: the store did not take it.
        """
        with _store_errors(key):
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
        with _store_errors(key):
            result = await obstore.get_async(self._store, key)
            return bytes(await result.bytes_async())

    async def get_range(self, key: str, start: int, length: int) -> bytes:
        """`length` bytes of an object from `start`.

        Raises:
            NotFoundError: there is none.
        """
        with _store_errors(key):
            return bytes(await obstore.get_range_async(self._store, key, start=start, length=length))

    async def stream(self, key: str) -> AsyncIterator[bytes]:
        """An object in chunks of about 1 MiB.

        Raises:
            NotFoundError: there is none.
        """
        with _store_errors(key):
            result = await obstore.get_async(self._store, key)
            async for chunk in result.stream(min_chunk_size=_STREAM_CHUNK_BYTES):
                yield bytes(chunk)

    async def size(self, key: str) -> int | None:
        """Bytes of an object, None if there is none."""
        try:
            with _store_errors(key):
                return (await obstore.head_async(self._store, key))["size"]
        except NotFoundError:
            return None

    async def keys(self, prefix: str) -> list[str]:
        """Keys below `prefix` (a folder), sorted."""
        return [entry.key for entry in await self.entries(prefix)]

    async def entries(self, prefix: str) -> list[BlobEntry]:
        """Objects below `prefix` (a folder), by key."""
        with _store_errors(prefix):
            batches = [batch async for batch in obstore.list(self._store, prefix.rstrip("/"))]
        listed = [BlobEntry(meta["path"], meta["size"], meta["last_modified"]) for batch in batches for meta in batch]
        return sorted(listed, key=lambda entry: entry.key)

    async def folders(self, prefix: str) -> list[str]:
        """Folders directly below the folder `prefix`, sorted."""
        with _store_errors(prefix):
            listed = await obstore.list_with_delimiter_async(self._store, prefix.rstrip("/") + "/")
        return sorted(folder.rstrip("/") for folder in listed["common_prefixes"])

    async def delete(self, keys: list[str]) -> None:
        """Deletes objects; those that are gone already do not matter."""
        for key in keys:
            try:
                with _store_errors(key):
                    await obstore.delete_async(self._store, key)
            except NotFoundError:
                continue

    async def delete_folder(self, prefix: str) -> None:
        """Deletes all objects below `prefix`."""
        await self.delete(await self.keys(prefix))

    async def download(self, key: str, destination: Path) -> None:
        """Copies an object into a file, which appears only when it is whole.

        Raises:
            NotFoundError: there is none.
        """
        destination.parent.mkdir(parents=True, exist_ok=True)
        partial = destination.with_name(f".{destination.name}.{os.getpid()}.part")
        with partial.open("wb") as file:
            async for chunk in self.stream(key):
                file.write(chunk)
        partial.replace(destination)


class _store_errors:  # noqa: N801  reads as a statement
    """Turns the library's errors into the platform's."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __enter__(self) -> None:
        return None

    def __exit__(self, _type: type[BaseException] | None, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, ObjectNotFoundError | FileNotFoundError):
            raise NotFoundError(f"there is no blob {self._key!r}") from error
        if isinstance(error, BaseError | OSError):
            raise UnavailableError(f"the blob store failed on {self._key!r}: {error}") from error


def open_blob_store(url: str) -> BlobStore:
    """The blob store at `url`: a folder (created when missing) or `s3://bucket/prefix`."""
    if "://" in url and not url.startswith("file://"):
        return BlobStore(from_url(url), root=None)
    root = Path(url.removeprefix("file://")).resolve()
    root.mkdir(parents=True, exist_ok=True)
    return BlobStore(LocalStore(prefix=root, automatic_cleanup=True), root=root)
