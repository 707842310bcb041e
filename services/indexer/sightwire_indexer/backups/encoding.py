"""Files as backups store them: zstd, and age (age-encryption.org) around it if there are recipients.

`age --decrypt --identity KEYS FILE | zstd --decompress` reads them without this program. Everything is streamed: memory
does not depend on a file's size. Functions block; call them in threads.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Protocol, cast

import pyrage  # type: ignore[import-untyped]
import zstandard

from sightwire.errors import ConfigurationError, CorruptDataError

_CHUNK_BYTES: Final = 1024 * 1024


class _Source(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


class _Sink(Protocol):
    def write(self, data: bytes, /) -> int: ...


@dataclass(frozen=True, slots=True)
class EncodedFile:
    """What a file was, and what it became."""

    bytes: int
    sha256: str
    stored_bytes: int
    stored_sha256: str


class Cipher:
    """Encrypts for some age recipients, and decrypts with some age identities; without any it does neither.

    Args:
        recipients: public keys, `age1…`.
        identity_file: secret keys, `AGE-SECRET-KEY-1…`, one a line; lines with `#` are comments.

    Raises:
        ConfigurationError: one of them is not what it should be.
    """

    def __init__(self, recipients: Sequence[str] = (), identity_file: Path | None = None) -> None:
        self.recipients = tuple(recipients)
        self._recipients = [_parse_recipient(recipient) for recipient in recipients]
        self._identities = _read_identities(identity_file) if identity_file is not None else []

    def encrypt(self, source: _Source, sink: _Sink) -> None:
        """Copies `source` into `sink`, encrypted if there are recipients."""
        if self._recipients:
            pyrage.encrypt_io(source, sink, self._recipients)
            return
        while chunk := source.read(_CHUNK_BYTES):
            sink.write(chunk)

    def decrypt(self, source: _Source, sink: _Sink) -> None:
        """The way back from `encrypt` with recipients.

        Raises:
            ConfigurationError: no identity opens it.
        """
        if not self._identities:
            raise ConfigurationError(
                "the backup is encrypted; set SIGHTWIRE_INDEXER_BACKUP_IDENTITY to a file with an age identity for it"
            )
        try:
            pyrage.decrypt_io(source, sink, self._identities)
        except pyrage.DecryptError as error:
            raise ConfigurationError(
                f"none of the {len(self._identities)} configured age identities opens the backup: {error}; "
                "SIGHTWIRE_INDEXER_BACKUP_IDENTITY has to hold one of those that it was encrypted for"
            ) from None


def encode_file(source: Path, destination: Path, cipher: Cipher, *, level: int) -> EncodedFile:
    """Writes the stored form of `source` into `destination`."""
    with source.open("rb") as plain, destination.open("wb") as stored:
        reader, writer = _HashingReader(plain), _HashingWriter(stored)
        compressor = zstandard.ZstdCompressor(level=level, write_checksum=False)
        cipher.encrypt(compressor.stream_reader(cast(IO[bytes], reader)), writer)
        return EncodedFile(reader.bytes, reader.sha256, writer.bytes, writer.sha256)


def decode_file(
    source: Path, destination: Path, cipher: Cipher, *, encrypted: bool, expected_bytes: int, expected_sha256: str
) -> None:
    """Writes the content of the stored file `source` into `destination`.

    Raises:
        CorruptDataError: it is not what is expected.
        ConfigurationError: it cannot be decrypted with the identities that there are.
    """
    with source.open("rb") as stored, destination.open("wb") as plain:
        writer = _HashingWriter(plain, limit=expected_bytes)
        try:
            with zstandard.ZstdDecompressor().stream_writer(cast(IO[bytes], writer), closefd=False) as decompressing:
                if encrypted:
                    cipher.decrypt(stored, decompressing)
                else:
                    while chunk := stored.read(_CHUNK_BYTES):
                        decompressing.write(chunk)
        except zstandard.ZstdError as error:
            raise CorruptDataError(f"it cannot be decompressed: {error}") from None
    if writer.bytes != expected_bytes or writer.sha256 != expected_sha256:
        raise CorruptDataError(
            f"it decodes to {writer.bytes} bytes of sha256 {writer.sha256}, expected {expected_bytes} bytes of "
            f"{expected_sha256}"
        )


class _HashingReader:
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.bytes = 0

    def read(self, size: int = -1) -> bytes:
        chunk = self._file.read(size)
        self._digest.update(chunk)
        self.bytes += len(chunk)
        return chunk

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


class _HashingWriter:
    """Refuses more than `limit` bytes: a damaged file must not fill the disk."""

    def __init__(self, file: IO[bytes], *, limit: int | None = None) -> None:
        self._file = file
        self._limit = limit
        self._digest = hashlib.sha256()
        self.bytes = 0

    def write(self, chunk: bytes) -> int:
        self.bytes += len(chunk)
        if self._limit is not None and self.bytes > self._limit:
            raise CorruptDataError(f"it decodes to more than the expected {self._limit} bytes")
        self._digest.update(chunk)
        return self._file.write(chunk)

    def flush(self) -> None:
        self._file.flush()

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


def _parse_recipient(recipient: str) -> pyrage.x25519.Recipient:
    try:
        return pyrage.x25519.Recipient.from_str(recipient)
    except pyrage.RecipientError as error:
        raise ConfigurationError(f"{recipient!r} is not an age recipient ('age1…'): {error}") from None


def _read_identities(path: Path) -> list[pyrage.x25519.Identity]:
    try:
        lines = [line.strip() for line in path.read_text().splitlines()]
        identities = [pyrage.x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#")]
    except OSError as error:
        raise ConfigurationError(f"the file of age identities cannot be read: {error}") from None
    except (pyrage.IdentityError, UnicodeDecodeError):
        # Not in the message: what the line holds instead may be a secret.
        raise ConfigurationError(f"{path} has a line that is not an age identity ('AGE-SECRET-KEY-1…')") from None
    if not identities:
        raise ConfigurationError(f"{path} holds no age identity ('AGE-SECRET-KEY-1…')")
    return identities
