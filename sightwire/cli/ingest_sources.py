"""What `sightwire ingest` reads: pictures, folders, URLs and tables become records, one for each item."""

import csv
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import orjson

from sightwire.cli.ingest_arrays import ArrayTable
from sightwire.cli.ingest_parquet import ParquetTable
from sightwire.cli.ingest_vectors import TableCheck, VectorFields, check_record_vectors
from sightwire.errors import InvalidInputError, InvalidVectorError

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"})
TABLE_SUFFIXES = frozenset({".csv", ".tsv", ".jsonl", ".ndjson", ".parquet"})
_ITEM_MEMBERS = frozenset({"id", "text", "tags", "metadata", "time", "image", "vectors"})
_MAX_ID_CHARACTERS = 256
_READ_BYTES = 1024 * 1024
_JSON_LINES = frozenset({".jsonl", ".ndjson"})
_NO_VECTORS = VectorFields()
_TAG_SEPARATORS = re.compile(r"[,;|]")


@dataclass(frozen=True)
class Columns:
    """Which columns of a table are the members of an item; every other column is metadata."""

    id: str = "id"
    text: str = "text"
    image: str = "image"
    tags: str = "tags"
    time: str = "time"


@dataclass(frozen=True)
class Record:
    """One item to be ingested: its JSON members, and its picture when that is a local file.

    `fingerprint` names the content: two records with the same one are the same item.
    """

    origin: str  # for messages: the file, or the file and its row
    item: dict[str, Any]
    picture: Path | None
    fingerprint: str
    #: Bytes of the item as JSON.
    size: int = 0

    @property
    def id(self) -> str:
        return str(self.item["id"])


@dataclass(frozen=True)
class UnreadableRecord:
    """Something that cannot become an item."""

    origin: str
    reason: str


def count_records(source: str) -> int | None:
    """How many records a source has, where that is cheap to know."""
    path = Path(source)
    if is_url(source) or path.suffix.lower() in PICTURE_SUFFIXES:
        return 1
    if path.is_dir():
        return sum(1 for _ in _pictures_below(path))
    if path.suffix.lower() in _JSON_LINES:
        with path.open("rb") as file:
            return sum(1 for line in file if line.strip())
    if path.suffix.lower() == ".parquet":
        try:
            return len(ParquetTable(path, _NO_VECTORS))
        except InvalidInputError:
            return None  # reading it says what is wrong
    return None


def check_table(source: str, columns: Columns, fields: VectorFields, check: TableCheck) -> None:
    """Notes ids and vectors of a table that cannot be accepted; other sources have none.

    Raises:
        InvalidInputError: the table cannot be read, or has too many problems.
    """
    path = Path(source)
    if path.suffix.lower() == ".parquet" and path.is_file():
        ParquetTable(path, fields).check(check, columns.id)
    elif path.suffix.lower() in _JSON_LINES and path.is_file():
        for place, row in _json_lines(path):
            # What is no item at all is reported later, and its neighbours sent.
            if isinstance(row, UnreadableRecord) or "vectors" not in row:
                continue
            if columns.id in row:
                check.see_id(place, row[columns.id])
            try:
                check_record_vectors(place, row["vectors"], fields)
            except InvalidVectorError as error:
                check.note(error.detail)


def read_array_records(
    table: ArrayTable, columns: Columns, tags: tuple[str, ...]
) -> Iterator[Record | UnreadableRecord]:
    """The records of .npy files and of what came with them."""
    for place, row in table.rows():
        yield _row_record(place, row, Path(), columns, tags)


def read_records(
    source: str, columns: Columns, tags: tuple[str, ...], fields: VectorFields = _NO_VECTORS
) -> Iterator[Record | UnreadableRecord]:
    """The records of one source: an http(s) URL, a picture, a folder of pictures, or a table.

    `fields` are those of the collection that take vectors; a table's vectors become base64 of float32.

    Raises InvalidInputError when the source as a whole cannot be read.
    """
    path = Path(source)
    if is_url(source):
        yield _record(source, {"id": _shortened(source), "image": {"url": source}}, None, tags)
    elif path.is_dir():
        for picture in _pictures_below(path):
            yield _picture_record(picture, picture.relative_to(path).as_posix(), tags)
    elif not path.exists():
        raise InvalidInputError(f"{source} does not exist; expected a file, a folder or an http(s) URL")
    elif path.suffix.lower() in TABLE_SUFFIXES:
        for number, row in enumerate(_rows(path, fields), start=1):
            yield _row_record(f"{source}, row {number}", row, path.parent, columns, tags)
    elif path.suffix.lower() in PICTURE_SUFFIXES:
        yield _picture_record(path, path.name, tags)
    else:
        known = ", ".join(sorted(PICTURE_SUFFIXES | TABLE_SUFFIXES))
        raise InvalidInputError(f"{source}: cannot tell what this is by its name; expected a folder or one of {known}")


def is_url(text: str) -> bool:
    """Whether the platform, not this command, has to fetch it."""
    return text.startswith(("http://", "https://"))


def _pictures_below(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and path.suffix.lower() in PICTURE_SUFFIXES and path.is_file():
            yield path


def _picture_record(path: Path, name: str, tags: tuple[str, ...]) -> Record | UnreadableRecord:
    return _record(str(path), {"id": _shortened(name)}, path, tags)


def _rows(path: Path, fields: VectorFields) -> Iterator[Mapping[str, Any] | UnreadableRecord]:
    suffix = path.suffix.lower()
    if suffix in _JSON_LINES:
        for place, row in _json_lines(path):
            yield _with_encoded_vectors(place, row, fields)
    elif suffix == ".parquet":
        yield from ParquetTable(path, fields).rows()
    else:
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                yield from csv.DictReader(file, delimiter="\t" if suffix == ".tsv" else ",")
        except (UnicodeDecodeError, csv.Error) as error:
            raise InvalidInputError(f"{path} is not UTF-8 text with {suffix[1:]} rows: {error}") from error


def _json_lines(path: Path) -> Iterator[tuple[str, Mapping[str, Any] | UnreadableRecord]]:
    """Place and object of each line that is not blank."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            place = f"{path}, line {number}"
            try:
                row = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                yield place, UnreadableRecord(place, f"not JSON: {error}")
                continue
            yield place, row if isinstance(row, dict) else UnreadableRecord(place, "not a JSON object")


def _with_encoded_vectors(
    place: str, row: Mapping[str, Any] | UnreadableRecord, fields: VectorFields
) -> Mapping[str, Any] | UnreadableRecord:
    """The row with its vectors as base64; without fields for them, the platform says what is wrong."""
    if isinstance(row, UnreadableRecord) or not fields.dimensions or not row.get("vectors"):
        return row
    try:
        return {**row, "vectors": check_record_vectors(place, row["vectors"], fields)}
    except InvalidVectorError as error:
        return UnreadableRecord(place, error.detail.removeprefix(f"{place}: "))


def _row_record(
    origin: str,
    row: Mapping[str, Any] | UnreadableRecord,
    folder: Path,
    columns: Columns,
    tags: tuple[str, ...],
) -> Record | UnreadableRecord:
    if isinstance(row, UnreadableRecord):
        return row
    values = {str(name): value for name, value in row.items() if name is not None and value not in (None, "")}
    if None in row:
        return UnreadableRecord(origin, "the row has more cells than the table has columns")
    item: dict[str, Any] = {}
    for member, column in (("id", columns.id), ("text", columns.text), ("time", columns.time)):
        if column in values:
            item[member] = _plain(values.pop(column))
    if "id" in item:
        item["id"] = str(item["id"])
    own_tags = values.pop(columns.tags, ())
    item["tags"] = _TAG_SEPARATORS.split(own_tags) if isinstance(own_tags, str) else [str(tag) for tag in own_tags]
    picture, image = _image_of(values.pop(columns.image, None), folder)
    if image is not None:
        item["image"] = image
    nested = values.pop("metadata", None)
    vectors = values.pop("vectors", None)
    if vectors is not None:
        item["vectors"] = vectors
    rest = {name: _plain(value) for name, value in values.items() if name not in _ITEM_MEMBERS}
    metadata = {**rest, **(nested if isinstance(nested, dict) else {})}
    if metadata:
        item["metadata"] = metadata
    if not (item.get("text") or picture or image or vectors):
        return UnreadableRecord(origin, f"the row has neither {columns.text!r}, {columns.image!r} nor 'vectors'")
    return _record(origin, item, picture, tags)


def _image_of(value: Any, folder: Path) -> tuple[Path | None, dict[str, Any] | None]:
    """A cell that names a picture: a path relative to its table, a URL, or the API's own `image` member."""
    if value is None:
        return None, None
    if isinstance(value, dict):
        return None, value
    if is_url(str(value)):
        return None, {"url": str(value)}
    return folder / str(value), None


def _record(
    origin: str, item: dict[str, Any], picture: Path | None, tags: tuple[str, ...]
) -> Record | UnreadableRecord:
    all_tags = dict.fromkeys(tag.strip() for tag in (*item.get("tags", ()), *tags) if tag.strip())
    item = {**item, "tags": list(all_tags)}
    if not all_tags:
        del item["tags"]
    document = orjson.dumps(item, option=orjson.OPT_SORT_KEYS)
    digest = hashlib.sha256(document)
    if picture is not None:
        try:
            with picture.open("rb") as file:
                while chunk := file.read(_READ_BYTES):
                    digest.update(chunk)
        except OSError as error:
            return UnreadableRecord(origin, f"the picture cannot be read: {error}")
    fingerprint = digest.hexdigest()
    # An item without an id gets one from its content, so that a second run does not make a second item.
    return Record(origin, {"id": fingerprint[:32], **item}, picture, fingerprint, len(document))


def _shortened(name: str) -> str:
    if len(name) <= _MAX_ID_CHARACTERS:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:16]
    return f"{digest}-{name[-(_MAX_ID_CHARACTERS - 17) :]}"


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        # A time without a zone is taken for UTC, as everywhere in tables.
        return value.isoformat() if value.tzinfo else value.isoformat() + "Z"
    if isinstance(value, date):
        return value.isoformat() + "T00:00:00Z"
    return value
