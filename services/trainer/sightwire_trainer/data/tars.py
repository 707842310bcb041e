"""Samples in a WebDataset tar, read in any order: an index of offsets is built when the tar is opened."""

import hashlib
import json
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sightwire.errors import CorruptDataError, InvalidInputError
from sightwire_trainer.data.captioned import captioned_sample
from sightwire_trainer.data.samples import Sample

_PICTURE_EXTENSIONS = ("webp", "png", "jpg", "jpeg", "gif", "bmp", "tiff", "avif")
_CAPTION_EXTENSION = "json"
_TEXT_EXTENSION = "txt"
_DOCUMENT_EXTENSIONS = (*_PICTURE_EXTENSIONS, _TEXT_EXTENSION)
_EXTENSIONS = frozenset({*_DOCUMENT_EXTENSIONS, _CAPTION_EXTENSION})


@dataclass(frozen=True, slots=True)
class _Extent:
    """Where a file's content lies in the tar, in bytes."""

    offset: int
    size: int


class TarSamples:
    """`KEY.webp` (or png, jpg, jpeg, gif, bmp, tiff, avif), or `KEY.txt` of a text-text pair, beside `KEY.json`.

    Other files are ignored.

    A sample without one of its halves is an error when it is read, not before, so that it can be left out. Threads may
    read at the same time.

    Raises:
        InvalidInputError: there is no such file.
        CorruptDataError: it is not a whole, uncompressed tar, or has a file twice.
    """

    def __init__(self, path: Path, *, name: str | None = None) -> None:
        self.name = name or path.name
        self.path = path
        files = _index(path)
        self._keys = list(files)
        self._extents = list(files.values())
        self._file = path.open("rb")

    def __len__(self) -> int:
        return len(self._keys)

    def __getitem__(self, number: int) -> Sample:
        key, extents = self._keys[number], self._extents[number]
        where = f"{self.path}, {key}"
        document = next((extents[kind] for kind in _DOCUMENT_EXTENSIONS if kind in extents), None)
        if _CAPTION_EXTENSION not in extents:
            raise CorruptDataError(f"{where}: expected {key}.json beside {', '.join(extents)}, there is none")
        facts = self._facts(extents[_CAPTION_EXTENSION], where)
        if document is None and not facts.get("text"):
            expected = "|".join(_DOCUMENT_EXTENSIONS)
            raise CorruptDataError(f"{where}: expected {key}.({expected}) beside {key}.json, there is none")
        if document is None:
            return captioned_sample(facts, key=key, where=where)
        content = self._read(document)
        if extents.get(_TEXT_EXTENSION) is not document:
            return captioned_sample(facts, key=key, where=where, image=content)
        return captioned_sample(facts, key=key, where=where, text=_decoded(content, where))

    def __iter__(self) -> Iterator[Sample]:
        return (self[number] for number in range(len(self)))

    def sha256(self) -> str:
        """Of the tar's bytes, hexadecimal."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def _facts(self, extent: _Extent, where: str) -> dict[str, object]:
        try:
            facts = json.loads(self._read(extent))
        except ValueError as error:
            raise CorruptDataError(f"{where}: its captions are not JSON: {error}") from error
        if not isinstance(facts, dict):
            raise CorruptDataError(f"{where}: expected captions as a JSON object, got {type(facts).__name__}")
        return facts

    def _read(self, extent: _Extent) -> bytes:
        # Has no position in common, unlike seek and read, so that threads can share the file.
        content = os.pread(self._file.fileno(), extent.size, extent.offset)
        if len(content) != extent.size:
            raise CorruptDataError(f"{self.path} has become shorter since it was opened; do not write to it in a run")
        return content


def _decoded(content: bytes, where: str) -> str:
    try:
        return content.decode().strip()
    except UnicodeDecodeError as error:
        raise CorruptDataError(f"{where}: its text is not UTF-8: {error}") from error


def _index(path: Path) -> dict[str, dict[str, _Extent]]:
    """The files of each key by extension, in the order of the tar."""
    if not path.is_file():
        raise InvalidInputError(f"there is no tar {path}; give the path of one, relative to the configuration file")
    files: dict[str, dict[str, _Extent]] = {}
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                if member.isfile():
                    _add(files, member, path)
            end = tar.offset
    except tarfile.TarError as error:
        raise CorruptDataError(
            f"{path} is truncated, damaged or not an uncompressed tar: {error}; copy or build it again"
        ) from error
    _check_end(path, end)
    return files


def _add(files: dict[str, dict[str, _Extent]], member: tarfile.TarInfo, path: Path) -> None:
    folder, _, filename = member.name.rpartition("/")
    stem, _, extension = filename.partition(".")
    extension = extension.lower()
    if extension not in _EXTENSIONS:
        return
    of_key = files.setdefault(f"{folder}/{stem}" if folder else stem, {})
    if extension in of_key:
        raise CorruptDataError(f"{path} has {member.name} twice; keys must be unique")
    of_key[extension] = _Extent(member.offset_data, member.size)


def _check_end(path: Path, end: int) -> None:
    """tarfile takes a damaged header, and the lack of one, for the end of the tar; a real end is a block of zeros."""
    with path.open("rb") as file:
        file.seek(end)
        block = file.read(tarfile.BLOCKSIZE)
    if block != bytes(tarfile.BLOCKSIZE):
        raise CorruptDataError(f"{path} is truncated or damaged at byte {end:,}; copy or build it again")
