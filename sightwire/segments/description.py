"""`segment.json`: what a segment holds and the checksum of each of its files."""

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sightwire.contracts.collections import IndexParameters, MetadataType, Metric, TextLanguage
from sightwire.errors import CorruptDataError
from sightwire.segments.schema import SegmentSchema, VectorColumn
from sightwire.segments.vector_indexes.kinds import IndexKind

FORMAT_VERSION: Final = 1
DESCRIPTION_FILE: Final = "segment.json"
ITEMS_FILE: Final = "items.arrow"
OBJECTS_FILE: Final = "objects.arrow"
TOMBSTONES_FILE: Final = "tombstones.arrow"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FileDescription(_Part):
    """A file of the segment; its name is relative to the segment's folder."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_.]*$")
    bytes: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class IndexDescription(_Part):
    """The index of a field: what kind it is of, and with which parameters it was built and is searched."""

    file: str
    kind: IndexKind
    parameters: IndexParameters


class FieldDescription(_Part):
    """A vector field. `rows` counts its vectors; it is less than the items (or objects) where some have none.

    A field without vectors has no files.
    """

    name: str
    dimension: int = Field(ge=1)
    metric: Metric
    per_object: bool
    rows: int = Field(ge=0)
    vectors_file: str | None = None
    #: Vector row → item row (object row for `per_object`); absent when both are the same.
    rows_file: str | None = None
    #: Absent: the field is searched exactly.
    index: IndexDescription | None = None


class SegmentDescription(_Part):
    """The whole of `segment.json`. Tables without rows have no file."""

    format_version: Literal[1] = FORMAT_VERSION
    id: str
    collection: str
    collection_uid: str
    generation: str
    created_at: datetime
    rows: int = Field(ge=0)
    objects: int = Field(ge=0)
    tombstones: int = Field(ge=0)
    #: Over items and tombstones; absent for a segment that is empty.
    min_version: int | None
    max_version: int | None
    #: Over items; absent when there are none.
    min_time: datetime | None
    max_time: datetime | None
    metadata: dict[str, MetadataType]
    #: How the words of the items were told apart.
    language: TextLanguage = TextLanguage.ENGLISH
    #: Files of the text index, none if there are no words; see `text.layout`.
    text_files: tuple[str, ...] = ()
    fields: tuple[FieldDescription, ...]
    files: tuple[FileDescription, ...]

    @property
    def schema_(self) -> SegmentSchema:
        """The schema that the segment was written with."""
        return SegmentSchema(
            vectors=tuple(
                VectorColumn(field.name, field.dimension, field.metric, field.per_object) for field in self.fields
            ),
            metadata=self.metadata,
            language=self.language,
        )

    @property
    def disk_bytes(self) -> int:
        """Bytes of all files, `segment.json` aside."""
        return sum(file.bytes for file in self.files)

    @property
    def text_bytes(self) -> int:
        """Bytes of the text index."""
        return sum(file.bytes for file in self.files if file.name in self.text_files)


def read_description(folder: Path) -> tuple[SegmentDescription, str]:
    """The description of the segment in `folder`, and the sha256 of its file.

    Raises:
        CorruptDataError: `segment.json` is missing or is not one of this format version.
    """
    try:
        data = (folder / DESCRIPTION_FILE).read_bytes()
    except FileNotFoundError:
        raise CorruptDataError(f"{folder} is not a segment: it has no {DESCRIPTION_FILE}") from None
    return parse_description(data, str(folder / DESCRIPTION_FILE)), hashlib.sha256(data).hexdigest()


def parse_description(data: bytes, name: str) -> SegmentDescription:
    """A description from the bytes of a `segment.json`; `name` says in errors which.

    Raises:
        CorruptDataError: it is not one of this format version.
    """
    try:
        return SegmentDescription.model_validate_json(data)
    except ValidationError as error:
        raise CorruptDataError(f"{name} does not describe a segment: {error}") from None


def describe_file(path: Path) -> FileDescription:
    """Size and sha256 of a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return FileDescription(name=path.name, bytes=path.stat().st_size, sha256=digest)


def verify_files(folder: Path, description: SegmentDescription, *, checksums: bool) -> None:
    """Checks that every file of a segment is there with the right size and, with `checksums`, the right bytes.

    Raises:
        CorruptDataError: one is not; the message names it.
    """
    for expected in description.files:
        path = folder / expected.name
        if not path.is_file():
            raise CorruptDataError(f"segment {description.id} lacks its file {expected.name} in {folder}")
        actual_bytes = path.stat().st_size
        if actual_bytes != expected.bytes:
            raise CorruptDataError(
                f"segment {description.id}: {expected.name} has {actual_bytes} bytes, expected {expected.bytes}"
            )
        if checksums and describe_file(path).sha256 != expected.sha256:
            raise CorruptDataError(
                f"segment {description.id}: the sha256 of {expected.name} differs from the one in {DESCRIPTION_FILE}; "
                "fetch the segment again or rebuild the index"
            )
