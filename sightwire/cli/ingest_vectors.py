"""Vectors of the user's own on their way into `sightwire ingest`: which fields take them, and how they are checked.

Whatever a source holds (float16, float32, float64, lists, base64) travels as base64 of little-endian float32.
"""

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sightwire.client import Collection
from sightwire.contracts.collections import VectorSource
from sightwire.contracts.events import vector_bytes
from sightwire.contracts.names import ITEM_ID_PATTERN
from sightwire.errors import InvalidInputError, InvalidVectorError, SightwireError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PROBLEMS_SHOWN = 10
_ITEM_ID = re.compile(ITEM_ID_PATTERN)


@dataclass(frozen=True)
class VectorFields:
    """The fields of a collection that take vectors of the user's own, and where sources have them."""

    #: Numbers per vector, by field.
    dimensions: Mapping[str, int] = field(default_factory=dict)
    #: Column of tables, by field; a column has its field's name where this is silent.
    columns: Mapping[str, str] = field(default_factory=dict)
    #: Fields of the .npy files, in their order; empty: as the files are named.
    arrays: Sequence[str] = ()

    def column(self, name: str) -> str:
        """The column of tables with the vectors of the field `name`."""
        return self.columns.get(name, name)


def vector_fields(collection: Collection, options: Sequence[str]) -> VectorFields:
    """The collection's fields for vectors, with `options` as --field gives them: NAME or NAME=COLUMN.

    Raises:
        InvalidInputError: an option names no such field.
    """
    dimensions = {
        name: int(definition["dimension"])
        for name, definition in collection.fields.items()
        if definition.get("source", VectorSource.USER) == VectorSource.USER
    }
    columns: dict[str, str] = {}
    arrays: list[str] = []
    for option in options:
        name, has_column, column = option.partition("=")
        if name not in dimensions:
            raise InvalidInputError(
                f"--field {option}: collection {collection.name!r} takes vectors for "
                f"{', '.join(dimensions) or 'no field'}, got {name!r}; use one of them, or create a collection whose "
                "'fields' has it with source 'user'"
            )
        if has_column:
            columns[name] = column
        else:
            arrays.append(name)
    return VectorFields(dimensions, columns, tuple(arrays))


class TableCheck:
    """Collects what is wrong with a source before anything of it is sent."""

    def __init__(self) -> None:
        self._problems: list[str] = []
        self._places: dict[str, str] = {}

    def note(self, problem: str) -> None:
        """Something is wrong; raises once there are so many problems that more would help nobody."""
        self._problems.append(problem)
        if len(self._problems) >= _PROBLEMS_SHOWN:
            self.finish()

    def see_id(self, place: str, item_id: object) -> None:
        """An item's id; `place` names its file and row. Ids have to be unique within a command."""
        if item_id is None or item_id == "":
            self.note(f"{place} has no id; fill it in, since ids say what a second run replaces")
            return
        text = str(item_id)
        if not _ITEM_ID.match(text):
            self.note(f"{place}: an id has 1 to 256 characters that print, without spaces around, got {text[:300]!r}")
        elif text in self._places:
            self.note(f"{place} repeats the id {text!r} of {self._places[text]}; keep one of the two")
        else:
            self._places[text] = place

    def finish(self) -> None:
        """Raises InvalidInputError when there was a problem."""
        if self._problems:
            raise InvalidInputError("; ".join(self._problems) + ". Nothing was sent")


def check_record_vectors(place: str, vectors: object, fields: VectorFields) -> dict[str, str]:
    """The `vectors` member of a row (numbers or base64, by field) as base64 of float32.

    Raises:
        InvalidVectorError: unknown field, wrong dimension, not finite; the message names `place`.
    """
    if not isinstance(vectors, dict):
        raise InvalidVectorError(f"{place}: 'vectors' has to be an object of fields, got {type(vectors).__name__}")
    return {name: _record_vector(place, name, vector, fields) for name, vector in vectors.items()}


def _record_vector(place: str, name: str, vector: Any, fields: VectorFields) -> str:
    if name not in fields.dimensions:
        known = ", ".join(fields.dimensions) or "no field"
        raise InvalidVectorError(f"{place}: the collection takes vectors for {known}, got {name!r}")
    try:
        data = vector_bytes(name, vector, fields.dimensions[name])
    except InvalidVectorError as error:
        raise InvalidVectorError(f"{place}: {error.detail}") from None
    except (TypeError, OverflowError) as error:
        raise InvalidVectorError(f"{place}: the vector of {name!r} is no list of numbers: {error}") from None
    return vector if isinstance(vector, str) else base64.b64encode(data).decode()


def finite_float32(matrix: "NDArray[np.floating[Any]]") -> "tuple[NDArray[np.float32], int | None]":
    """A matrix [rows, dimension] as contiguous little-endian float32, and its first row that is not finite, if any."""
    try:
        import numpy as np
    except ImportError:
        raise missing_package("vectors", "numpy") from None
    with np.errstate(over="ignore"):  # what does not fit float32 becomes infinite, and is found here
        narrowed = np.ascontiguousarray(matrix, dtype="<f4")
    # One sum a row costs far less than a comparison for each number: it is finite just when all its numbers are.
    with np.errstate(invalid="ignore"):
        bad = np.flatnonzero(~np.isfinite(narrowed.sum(axis=1, dtype=np.float64)))
    return narrowed, int(bad[0]) if len(bad) else None


def encoded_rows(matrix: "NDArray[np.float32]") -> Iterator[str]:
    """Each row of a contiguous float32 matrix [rows, dimension] as base64 of its bytes."""
    row_bytes = 4 * matrix.shape[1]
    data = memoryview(matrix.tobytes())
    for start in range(0, len(data), row_bytes):
        yield base64.b64encode(data[start : start + row_bytes]).decode()


def missing_package(what: str, package: str) -> SightwireError:
    """The error for a source that needs a package which is not installed."""
    return SightwireError(f"reading {what} needs the Python package {package}; install sightwire[vectors]")
