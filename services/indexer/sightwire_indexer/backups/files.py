"""Files that the backups of a collection share, in the backup store."""

import asyncio
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sightwire.blobs.store import BlobEntry, BlobStore
from sightwire.errors import CorruptDataError, NotFoundError, UnavailableError
from sightwire_indexer.backups.encoding import Cipher, decode_file, encode_file
from sightwire_indexer.backups.layout import BackupLayout, FileName, key_of_recipients, parse_file_name
from sightwire_indexer.backups.manifest import BackedUpFile


@dataclass(frozen=True, slots=True)
class FileToStore:
    """What a file of the index has to be; `name` is what its segment calls it."""

    name: str
    bytes: int
    sha256: str


class BackupFiles:
    """Stores files and reads them back.

    Args:
        compression_level: zstd's.
    """

    def __init__(self, blobs: BlobStore, cipher: Cipher, *, compression_level: int) -> None:
        self._blobs = blobs
        self._cipher = cipher
        self._compression_level = compression_level
        self._encrypted_for = key_of_recipients(cipher.recipients)

    async def all(self, layout: BackupLayout) -> list[BlobEntry]:
        """Everything that is stored of an incarnation, also what interrupted backups left."""
        return await self._blobs.entries(layout.files_prefix)

    async def delete(self, entries: Iterable[BlobEntry]) -> None:
        """Deletes stored files."""
        await self._blobs.delete([entry.key for entry in entries])

    async def usable(self, layout: BackupLayout) -> dict[str, BlobEntry]:
        """What need not be stored again, by the sha256 of its content.

        Files that are not encrypted, or for others, do not count where they should be.
        """
        usable: dict[str, BlobEntry] = {}
        for entry in await self.all(layout):
            name = parse_file_name(entry.key.rpartition("/")[2])
            if name is not None and name.encrypted_for == self._encrypted_for:
                usable[name.sha256] = entry
        return usable

    def reused(self, file: FileToStore, entry: BlobEntry) -> BackedUpFile:
        """A file that is stored already."""
        name = parse_file_name(entry.key.rpartition("/")[2])
        assert name is not None, f"{entry.key} is not a stored file"
        return _backed_up(file, name, entry.bytes)

    async def add(self, layout: BackupLayout, file: FileToStore, path: Path, workspace: Path) -> BackedUpFile:
        """Stores the file at `path`.

        Args:
            workspace: a folder of the caller's own on this machine.

        Raises:
            CorruptDataError: it is not what it has to be.
        """
        encoded_path = workspace / "encoded"
        encoded = await asyncio.to_thread(encode_file, path, encoded_path, self._cipher, level=self._compression_level)
        if (encoded.bytes, encoded.sha256) != (file.bytes, file.sha256):
            raise CorruptDataError(
                f"its file {file.name} is damaged: {encoded.bytes} bytes of sha256 {encoded.sha256}, expected "
                f"{file.bytes} bytes of {file.sha256}"
            )
        name = FileName(encoded.sha256, encoded.stored_sha256, self._encrypted_for)
        await self._blobs.put(layout.file_key(name), encoded_path)
        return _backed_up(file, name, encoded.stored_bytes)

    async def fetch(self, layout: BackupLayout, file: BackedUpFile, destination: Path) -> None:
        """Reads a file back; its bytes as they are stored, and its content, are compared with their checksums.

        Raises:
            CorruptDataError: it is damaged or gone; the message names it.
            ConfigurationError: it is encrypted, and no configured identity opens it.
        """
        key = layout.file_key(file.stored_name)
        stored = destination.with_name(f"{destination.name}.stored")
        try:
            await self._download(key, file, stored)
            await asyncio.to_thread(
                decode_file,
                stored,
                destination,
                self._cipher,
                encrypted=file.encrypted_for is not None,
                expected_bytes=file.bytes,
                expected_sha256=file.sha256,
            )
        except NotFoundError:
            raise CorruptDataError(f"its file {file.name} is gone: there is no {key}") from None
        except CorruptDataError as error:
            raise CorruptDataError(f"its file {file.name} is damaged: {error.detail}; it is stored as {key}") from None
        except OSError as error:
            raise UnavailableError(f"its file {file.name} cannot be read back on this machine: {error}") from error
        finally:
            await asyncio.to_thread(stored.unlink, missing_ok=True)

    async def _download(self, key: str, file: BackedUpFile, destination: Path) -> None:
        await self._blobs.download(key, destination)
        stored_bytes, stored_sha256 = await asyncio.to_thread(_size_and_sha256, destination)
        if (stored_bytes, stored_sha256) != (file.stored_bytes, file.stored_sha256):
            raise CorruptDataError(
                f"{stored_bytes} stored bytes of sha256 {stored_sha256}, expected {file.stored_bytes} bytes of "
                f"{file.stored_sha256}"
            )


def _backed_up(file: FileToStore, name: FileName, stored_bytes: int) -> BackedUpFile:
    return BackedUpFile(
        name=file.name,
        bytes=file.bytes,
        sha256=file.sha256,
        stored_bytes=stored_bytes,
        stored_sha256=name.stored_sha256,
        encrypted_for=name.encrypted_for,
    )


def _size_and_sha256(path: Path) -> tuple[int, str]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return path.stat().st_size, digest
