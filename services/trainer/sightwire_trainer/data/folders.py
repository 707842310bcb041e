"""Samples of a table of captions beside a folder of pictures."""

import csv
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet

from sightwire.errors import CorruptDataError, InvalidInputError
from sightwire_trainer.data.captioned import captioned_sample
from sightwire_trainer.data.samples import Sample

Row = dict[str, object]


class FolderSamples:
    """A sample a row: `file` (or `text` for a text-text pair) and `name`; optional: `key`, `keywords`, `description`,
    `concept`, `source`, `licence`.

    `file` is relative to the folder. Keywords are a list, or separated by commas or semicolons in CSV.

    Raises:
        InvalidInputError: the folder or the table is missing, or it has neither a column `file` nor `text`.
        CorruptDataError: the table cannot be read, or has two rows of one key.
    """

    def __init__(self, path: Path, captions: Path) -> None:
        self.name = path.name
        self.path = path
        self._captions = captions
        if not path.is_dir():
            raise InvalidInputError(
                f"there is no folder {path}; give the path of one, relative to the configuration file"
            )
        self._rows = _read_table(captions)
        self._keys = [_key(row, number) for number, row in enumerate(self._rows)]
        _check_unique(self._keys, captions)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, number: int) -> Sample:
        row, key = self._rows[number], self._keys[number]
        where = f"{self._captions}, {key}"
        return captioned_sample(row, key=key, where=where, image=self._picture(row, where))

    def __iter__(self) -> Iterator[Sample]:
        return (self[number] for number in range(len(self)))

    def sha256(self) -> str:
        """Of the table and all pictures in its order, hexadecimal; pictures that cannot be read count as empty."""
        digest = hashlib.sha256(self._captions.read_bytes())
        for row in self._rows:
            file = self.path / str(row.get("file") or "")
            digest.update(hashlib.sha256(file.read_bytes() if file.is_file() else b"").digest())
        return digest.hexdigest()

    def _picture(self, row: Row, where: str) -> bytes | None:
        if not row.get("file"):
            return None
        file = self.path / str(row["file"])
        try:
            return file.read_bytes()
        except OSError as error:
            raise CorruptDataError(f"{where}: cannot read its picture {file}: {error.strerror}") from error


def _key(row: Row, number: int) -> str:
    return str(row.get("key") or row.get("file") or f"row {number + 1}")


def _check_unique(keys: list[str], captions: Path) -> None:
    seen: set[str] = set()
    for key in keys:
        if key in seen:
            raise CorruptDataError(f"{captions} has {key} twice; give its rows a `key` each, or remove one")
        seen.add(key)


def _read_table(captions: Path) -> list[Row]:
    reader = _READERS.get(captions.suffix.lower())
    if reader is None:
        raise InvalidInputError(f"expected captions as {', '.join(_READERS)}, got {captions}")
    if not captions.is_file():
        raise InvalidInputError(f"there is no table of captions {captions}")
    try:
        rows = reader(captions)
    except (OSError, ValueError, csv.Error, pa.ArrowException) as error:
        raise CorruptDataError(f"cannot read the captions {captions}: {error}") from error
    columns = {column for row in rows for column in row}
    if "name" not in columns or not columns & {"file", "text"}:
        raise InvalidInputError(
            f"{captions} needs the columns 'name' and 'file' (or 'text' for pairs of texts), "
            f"it has {', '.join(sorted(map(str, columns))) or 'none'}"
        )
    return rows


def _read_csv(path: Path) -> list[Row]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def _read_jsonl(path: Path) -> list[Row]:
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ValueError(f"line {number} is not JSON: {error}") from error
        if not isinstance(row, dict):
            raise ValueError(f"line {number}: expected a JSON object, got {type(row).__name__}")
        rows.append(row)
    return rows


def _read_parquet(path: Path) -> list[Row]:
    return parquet.read_table(path).to_pylist()


_READERS: dict[str, Callable[[Path], list[Row]]] = {
    ".csv": _read_csv,
    ".jsonl": _read_jsonl,
    ".parquet": _read_parquet,
}
