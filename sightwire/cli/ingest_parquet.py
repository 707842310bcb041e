"""Rows of Parquet files for `sightwire ingest`, read by row groups; columns of vectors never become Python numbers."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sightwire.cli.ingest_vectors import TableCheck, VectorFields, encoded_rows, finite_float32, missing_package
from sightwire.errors import InvalidInputError, InvalidVectorError

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

_BATCH_ROWS = 1024


class ParquetTable:
    """A Parquet file: columns of vectors by field, every other column as it is."""

    def __init__(self, path: Path, fields: VectorFields) -> None:
        self._path = path
        self._fields = fields

    def check(self, check: TableCheck, id_column: str) -> None:
        """Notes missing and repeated ids, and vectors that do not fit their fields; reads only those columns.

        Raises:
            InvalidInputError: not Parquet, or a column that holds no vectors.
        """
        with _opened(self._path) as file:
            columns = self._vector_columns(file)
            has_ids = id_column in file.schema_arrow.names
            wanted = [*columns.values(), *([id_column] if has_ids else [])]
            row = 1
            for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=wanted):
                if has_ids:
                    for offset, item_id in enumerate(batch.column(id_column).to_pylist()):
                        check.see_id(self._place(row + offset), item_id)
                for name, column in columns.items():
                    try:
                        self._encoded(batch.column(column), name, row)
                    except InvalidVectorError as error:
                        check.note(error.detail)
                row += batch.num_rows

    def rows(self) -> Iterator[Mapping[str, Any]]:
        """Each row, its `vectors` as base64 of float32 by field; a field without a vector is left out.

        Raises:
            InvalidInputError: not Parquet, a column that holds no vectors, or a vector that does not fit.
        """
        with _opened(self._path) as file:
            columns = self._vector_columns(file)
            first_row = 1
            for batch in file.iter_batches(batch_size=_BATCH_ROWS):
                vectors = {
                    name: self._encoded(batch.column(column), name, first_row) for name, column in columns.items()
                }
                plain = batch.drop_columns(list(columns.values())) if columns else batch
                rows = plain.to_pylist() if plain.num_columns else [{} for _ in range(batch.num_rows)]
                for offset, row in enumerate(rows):
                    own = {name: encoded[offset] for name, encoded in vectors.items() if encoded[offset] is not None}
                    yield {**row, "vectors": own} if own else row
                first_row += batch.num_rows

    def __len__(self) -> int:
        with _opened(self._path) as file:
            return int(file.metadata.num_rows)

    def _vector_columns(self, file: "ParquetFile") -> dict[str, str]:
        """The column of each field that the file has vectors for."""
        schema = file.schema_arrow
        for name, column in self._fields.columns.items():
            if column not in schema.names:
                raise InvalidInputError(
                    f"{self._path} has no column {column!r}, which --field {name}={column} asks for; "
                    f"it has {', '.join(schema.names)}"
                )
        columns = {
            name: self._fields.column(name)
            for name in self._fields.dimensions
            if self._fields.column(name) in schema.names
        }
        for name, column in columns.items():
            if not _holds_vectors(schema.field(column).type):
                raise InvalidInputError(
                    f"{self._path}: column {column!r} is for vectors of field {name!r} and has to be a list of "
                    f"halffloat, float or double, got {schema.field(column).type}; cast it, or name another with "
                    f"--field {name}=COLUMN"
                )
        return columns

    def _encoded(self, column: "pa.Array[Any]", field: str, first_row: int) -> Sequence[str | None]:
        """Vectors of a column of lists as base64; None where the row has none."""
        import pyarrow.compute as pc

        dimension = self._fields.dimensions[field]
        lengths = pc.list_value_length(column).to_pylist()
        for offset, length in enumerate(lengths):
            if length not in (None, dimension):
                raise InvalidVectorError(
                    f"{self._place(first_row + offset)}: the vector of {field!r} needs {dimension} numbers, "
                    f"got {length}; leave it empty (null), or make a collection with that dimension"
                )
        filled = [offset for offset, length in enumerate(lengths) if length is not None]
        values = cast("pa.ListArray[Any]", column).drop_null().flatten()
        if values.null_count:
            row = first_row + filled[pc.index(values.is_null(), True).as_py() // dimension]
            raise InvalidVectorError(f"{self._place(row)}: a number of {field!r} is missing (null); fill it in")
        matrix, bad = finite_float32(values.to_numpy(zero_copy_only=False).reshape(-1, dimension))
        if bad is not None:
            raise InvalidVectorError(
                f"{self._place(first_row + filled[bad])}: a number of {field!r} is NaN, infinite or too large for "
                "float32; leave the row out or mend it"
            )
        encoded = encoded_rows(matrix)
        return [None if length is None else next(encoded) for length in lengths]

    def _place(self, row: int) -> str:
        return f"{self._path}, row {row}"


def _holds_vectors(kind: "pa.DataType") -> bool:
    import pyarrow as pa

    if not isinstance(kind, pa.ListType | pa.LargeListType | pa.FixedSizeListType):
        return False
    return pa.types.is_floating(kind.value_type)


@contextmanager
def _opened(path: Path) -> "Iterator[ParquetFile]":
    try:
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise missing_package("Parquet", "pyarrow") from None
    try:
        with ParquetFile(path, memory_map=True) as file:
            yield file
    except (OSError, ValueError) as error:
        raise InvalidInputError(f"{path} cannot be read as Parquet: {error}") from error
