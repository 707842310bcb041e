"""Vectors from .npy files: each file is one field, row by row of the same items; mapped, never read as a whole."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from sightwire.cli.ingest_vectors import TableCheck, VectorFields, encoded_rows, finite_float32, missing_package
from sightwire.errors import InvalidInputError, InvalidVectorError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_BLOCK_ROWS = 1024


@dataclass(frozen=True)
class RowSources:
    """What a row of the arrays is beside its vectors. Rows are counted from 0, as in NumPy."""

    #: .txt (an id a line), .npy (strings or integers) or .jsonl (ids, or objects with 'id').
    ids: Path | None = None
    #: Ids are this text and the row's number.
    id_prefix: str | None = None
    #: .jsonl with an item a row: id, text, tags, metadata, time.
    items: Path | None = None


class ArrayTable:
    """Rows of one or more arrays [rows, dimension], one for each vector field.

    Raises:
        InvalidInputError: a file is no such array, does not fit its field, or has another number of rows.
        SightwireError: NumPy is not installed.
    """

    def __init__(self, paths: Sequence[str], fields: VectorFields, rows: RowSources) -> None:
        self._arrays = {
            name: _open_array(path, name, fields) for path, name in zip(paths, _fields_of(paths, fields), strict=True)
        }
        self._paths = dict(zip(self._arrays, paths, strict=True))
        self._rows = rows
        counts = {path: len(array) for path, array in zip(paths, self._arrays.values(), strict=True)}
        if len(set(counts.values())) > 1:
            found = ", ".join(f"{path} has {count}" for path, count in counts.items())
            raise InvalidInputError(f"the arrays of one command are fields of the same rows, but {found} rows")
        self._count = next(iter(counts.values()))
        if rows.ids is None and rows.id_prefix is None and rows.items is None:
            raise InvalidInputError(
                f"the rows of {paths[0]} need ids: give --ids FILE, --items FILE with an 'id' in each line, "
                "or --id-prefix TEXT for TEXT and the row's number"
            )

    def __len__(self) -> int:
        return self._count

    def check(self, check: TableCheck) -> None:
        """Notes every missing or repeated id, and every array with a row that is not finite."""
        place = next(iter(self._paths.values()))
        count = 0
        for count, row in enumerate(self._members(), start=1):
            if count <= self._count:
                check.see_id(self._place(place, count - 1), row.get("id"))
        if count != self._count:
            named = " and ".join(str(path) for path in (self._rows.ids, self._rows.items) if path is not None)
            check.note(f"{place} has {self._count} rows, {named} {count}; each row needs a line of its own")
        for field, array in self._arrays.items():
            for start in range(0, self._count, _BLOCK_ROWS):
                _, bad = finite_float32(array[start : start + _BLOCK_ROWS])
                if bad is not None:
                    bad_row = self._place(self._paths[field], start + bad)
                    check.note(
                        f"{bad_row}: a number is NaN, infinite or too large for float32; leave the row out or mend it"
                    )
                    break

    def rows(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Place and members of each row, its `vectors` as base64 of float32."""
        members = self._members()
        place = next(iter(self._paths.values()))
        for start in range(0, self._count, _BLOCK_ROWS):
            vectors = {name: list(self._encoded(name, start)) for name in self._arrays}
            for offset in range(min(_BLOCK_ROWS, self._count - start)):
                row = next(members)
                own = {name: encoded[offset] for name, encoded in vectors.items()}
                yield self._place(place, start + offset), {**row, "vectors": own}

    def _encoded(self, name: str, start: int) -> Iterator[str]:
        block, bad = finite_float32(self._arrays[name][start : start + _BLOCK_ROWS])
        if bad is not None:
            raise InvalidVectorError(f"{self._place(self._paths[name], start + bad)} changed while it was read")
        return encoded_rows(block)

    def _members(self) -> Iterator[dict[str, Any]]:
        """Members of each row but its vectors; as many as the shorter of the files has."""
        rows = self._rows
        items = _item_lines(rows.items) if rows.items is not None else ({} for _ in repeat(None))
        if rows.ids is not None:
            ids: Iterator[object] = _ids_in(rows.ids)
        elif rows.id_prefix is not None:
            ids = (f"{rows.id_prefix}{number}" for number in range(self._count))
        else:
            yield from items
            return
        missing = object()
        for item_id in ids:
            item = next(items, missing)
            if item is missing:
                return
            assert isinstance(item, dict), "the iterator gives dictionaries"
            yield {**item, "id": item_id}
        if rows.items is not None:
            # Counted, so that a file that is too long is found.
            yield from ({"id": None} for _ in items)

    @staticmethod
    def _place(path: str, row: int) -> str:
        return f"{path}, row {row}"


def _fields_of(paths: Sequence[str], fields: VectorFields) -> Sequence[str]:
    """The field of each file: as --field says, as the file is named, or the only one that there is."""
    if fields.arrays:
        if len(fields.arrays) != len(paths) or len(set(fields.arrays)) != len(paths):
            raise InvalidInputError(
                f"each .npy file needs a --field of its own, in the same order; got {len(paths)} file(s) "
                f"and --field {', '.join(fields.arrays)}"
            )
        return fields.arrays
    if len(paths) == 1 and len(fields.dimensions) == 1:
        return list(fields.dimensions)
    names = [Path(path).stem for path in paths]
    if not set(names) <= set(fields.dimensions) or len(set(names)) != len(names):
        raise InvalidInputError(
            f"cannot tell which fields {', '.join(paths)} are for (the collection takes vectors for "
            f"{', '.join(fields.dimensions) or 'no field'}); give --field NAME for each file"
        )
    return names


def _open_array(path: str, field: str, fields: VectorFields) -> "NDArray[np.floating[Any]]":
    try:
        import numpy as np
    except ImportError:
        raise missing_package(".npy files", "numpy") from None
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InvalidInputError(f"{path} cannot be read as a .npy array: {error}") from error
    if not isinstance(array, np.ndarray) or array.ndim != 2 or array.dtype.kind != "f" or array.dtype.itemsize > 8:
        found = f"{array.dtype} {list(array.shape)}" if isinstance(array, np.ndarray) else "an archive of arrays"
        raise InvalidInputError(
            f"{path} has to be float16, float32 or float64 [rows, dimension], got {found}; convert it with "
            "numpy.save(path, array.astype('float32'))"
        )
    if array.shape[1] != fields.dimensions[field]:
        raise InvalidInputError(
            f"{path} has vectors of {array.shape[1]} numbers, field {field!r} takes {fields.dimensions[field]}; "
            "name another field with --field, or make a collection with that dimension"
        )
    return array


def _ids_in(path: Path) -> Iterator[object]:
    suffix = path.suffix.lower()
    if suffix == ".npy":
        yield from _ids_in_array(path)
        return
    for number, line in _lines(path):
        if suffix not in {".jsonl", ".ndjson"}:
            yield line.decode()
            continue
        value = _json(path, number, line)
        yield value.get("id") if isinstance(value, dict) else value


def _ids_in_array(path: Path) -> Iterator[object]:
    import numpy as np

    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InvalidInputError(f"{path} cannot be read as a .npy array of ids: {error}") from error
    if array.ndim != 1 or array.dtype.kind not in "iuU":
        raise InvalidInputError(
            f"{path} has to be strings or integers [rows], got {array.dtype} {list(array.shape)}; "
            "write ids with numpy.save(path, numpy.array(ids, dtype=str))"
        )
    blocks = (array[start : start + _BLOCK_ROWS].tolist() for start in range(0, len(array), _BLOCK_ROWS))
    yield from chain.from_iterable(blocks)


def _item_lines(path: Path) -> Iterator[dict[str, Any]]:
    for number, line in _lines(path):
        item = _json(path, number, line)
        if not isinstance(item, dict):
            raise InvalidInputError(f"{path}, line {number}: expected a JSON object, got {type(item).__name__}")
        if "vectors" in item:
            raise InvalidInputError(f"{path}, line {number}: 'vectors' come from the .npy files; leave them out here")
        yield item


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Number from 1 and content of each line of a file."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                yield number, line.rstrip(b"\r\n")
    except OSError as error:
        raise InvalidInputError(f"{path} cannot be read: {error}") from error


def _json(path: Path, number: int, line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise InvalidInputError(f"{path}, line {number} is not JSON: {error}") from None
