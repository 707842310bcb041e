"""Vectors from .npy, Parquet and JSON lines: the same items from each, and errors before anything is sent."""

import base64
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sightwire.cli.ingest_arrays import ArrayTable, RowSources
from sightwire.cli.ingest_sources import Columns, Record, check_table, read_array_records, read_records
from sightwire.cli.ingest_vectors import TableCheck, VectorFields, vector_fields
from sightwire.client import Collection
from sightwire.errors import InvalidInputError, SightwireError

FIELDS = VectorFields({"title": 4, "body": 2})
PAPERS = Collection.model_validate(
    {
        "name": "papers",
        "fields": {
            "title": {"source": "user", "dimension": 4},
            "body": {"dimension": 2},
            "text": {"source": "text", "dimension": 384},
        },
    }
)

same_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
floats = st.sampled_from([np.float16, np.float32, np.float64]).flatmap(
    lambda kind: hnp.arrays(kind, st.tuples(st.integers(1, 12), st.just(4)), elements=st.floats(-1000, 1000, width=16))
)


def items_of(records: Any) -> list[dict[str, Any]]:
    found = list(records)
    assert all(isinstance(record, Record) for record in found), found
    return [record.item for record in found]


def vectors_of(items: list[dict[str, Any]], field: str) -> np.ndarray:
    return np.stack([np.frombuffer(base64.b64decode(item["vectors"][field]), "<f4") for item in items])


def save(path: Path, array: object) -> str:
    np.save(path, np.asarray(array))
    return str(path)


def checked_table(path: Path, fields: VectorFields = FIELDS) -> None:
    check = TableCheck()
    check_table(str(path), Columns(), fields, check)
    check.finish()


def checked_arrays(paths: list[str], rows: RowSources, fields: VectorFields = FIELDS) -> ArrayTable:
    table = ArrayTable(paths, fields, rows)
    check = TableCheck()
    table.check(check)
    check.finish()
    return table


@same_folder
@given(matrix=floats)
def test_all_formats_give_the_same_items(tmp_path: Path, matrix: np.ndarray) -> None:
    ids = [f"p{row}" for row in range(len(matrix))]
    (tmp_path / "ids.txt").write_text("\n".join(ids) + "\n")
    npy = save(tmp_path / "title.npy", matrix)
    from_npy = items_of(
        read_array_records(checked_arrays([npy], RowSources(ids=tmp_path / "ids.txt")), Columns(), ("new",))
    )

    parquet = tmp_path / "items.parquet"
    numbers = matrix.astype(np.float32)
    kind = pa.list_(pa.float32(), 4)
    pq.write_table(pa.table({"id": ids, "title": pa.array(numbers.tolist(), kind)}), parquet, row_group_size=5)
    checked_table(parquet)
    from_parquet = items_of(read_records(str(parquet), Columns(), ("new",), FIELDS))

    lines = tmp_path / "items.jsonl"
    rows = [{"id": id, "vectors": {"title": vector.tolist()}} for id, vector in zip(ids, numbers, strict=True)]
    lines.write_text("\n".join(map(json.dumps, rows)))
    checked_table(lines)
    from_lines = items_of(read_records(str(lines), Columns(), ("new",), FIELDS))

    assert from_npy == from_parquet == from_lines
    np.testing.assert_array_equal(vectors_of(from_npy, "title"), numbers)
    assert from_npy[0]["tags"] == ["new"]


def test_arrays_of_one_command_are_fields_of_the_same_items(tmp_path: Path) -> None:
    paths = [save(tmp_path / "title.npy", np.eye(4)[:3]), save(tmp_path / "body.npy", np.eye(2)[[0, 1, 0]])]
    lines = tmp_path / "items.jsonl"
    lines.write_text("".join(f'{{"id": {n}, "text": "t{n}", "tags": ["x"], "year": {2000 + n}}}\n' for n in range(3)))
    items = items_of(read_array_records(checked_arrays(paths, RowSources(items=lines)), Columns(), ()))
    assert [(item["id"], item["text"], item["tags"], item["metadata"]) for item in items] == [
        (str(n), f"t{n}", ["x"], {"year": 2000 + n}) for n in range(3)
    ]
    np.testing.assert_array_equal(vectors_of(items, "title"), np.eye(4)[:3])
    np.testing.assert_array_equal(vectors_of(items, "body"), np.eye(2)[[0, 1, 0]])


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("ids.txt", lambda path: path.write_text("7\n8\n")),
        ("ids.npy", lambda path: np.save(path, np.array([7, 8]))),
        ("ids.npy", lambda path: np.save(path, np.array(["7", "8"]))),
        ("ids.jsonl", lambda path: path.write_text('7\n{"id": "8"}\n')),
    ],
)
def test_ids_come_from_several_kinds_of_files(tmp_path: Path, name: str, write: Callable[[Path], object]) -> None:
    write(tmp_path / name)
    table = checked_arrays([save(tmp_path / "any.npy", np.eye(4)[:2])], RowSources(ids=tmp_path / name), only("title"))
    assert [item["id"] for item in items_of(read_array_records(table, Columns(), ()))] == ["7", "8"]


def test_rows_have_their_numbers_as_ids_on_request(tmp_path: Path) -> None:
    path = save(tmp_path / "title.npy", np.ones((1500, 4)))
    items = items_of(read_array_records(checked_arrays([path], RowSources(id_prefix="doc-")), Columns(), ()))
    assert [item["id"] for item in items] == [f"doc-{row}" for row in range(1500)]


def only(field: str) -> VectorFields:
    return VectorFields({field: FIELDS.dimensions[field]})


@pytest.mark.parametrize(
    ("array", "ids", "expected"),
    [
        (np.ones((2, 3)), "a\nb\n", r"vectors of 3 numbers, field 'title' takes 4"),
        (np.ones(4), "a\n", r"\[rows, dimension\], got float64 \[4\]"),
        (np.ones((2, 4), int), "a\nb\n", r"float16, float32 or float64.*got int64"),
        (np.full((2, 4), [[1], [np.nan]]), "a\nb\n", r"title.npy, row 1: a number is NaN"),
        (np.full((1, 4), 1e39), "a\n", r"row 0: .*too large for float32"),
        (np.ones((2, 4)), "a\na\n", r"row 1 repeats the id 'a' of .*row 0"),
        (np.ones((2, 4)), "a\n\n", r"row 1 has no id"),
        (np.ones((2, 4)), "a\n", r"has 2 rows, .*ids.txt 1"),
        (np.ones((2, 4)), "a\nb\nc\n", r"has 2 rows, .*ids.txt 3"),
        (np.ones((1, 4)), " a\n", r"row 0: an id has 1 to 256 characters"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_with_file_and_row(
    tmp_path: Path, array: np.ndarray, ids: str, expected: str
) -> None:
    (tmp_path / "ids.txt").write_text(ids)
    with pytest.raises(InvalidInputError, match=expected):
        checked_arrays([save(tmp_path / "title.npy", array)], RowSources(ids=tmp_path / "ids.txt"))


def test_arrays_need_fields_ids_and_as_many_rows(tmp_path: Path) -> None:
    title = save(tmp_path / "title.npy", np.ones((2, 4)))
    other = save(tmp_path / "other.npy", np.ones((2, 4)))
    with pytest.raises(InvalidInputError, match="need ids: give --ids FILE"):
        checked_arrays([title], RowSources())
    with pytest.raises(InvalidInputError, match="give --field NAME for each file"):
        checked_arrays([other], RowSources(id_prefix=""))
    with pytest.raises(InvalidInputError, match="a --field of its own"):
        checked_arrays([title, other], RowSources(id_prefix=""), VectorFields(FIELDS.dimensions, arrays=("title",)))
    with pytest.raises(InvalidInputError, match="same rows"):
        checked_arrays([title, save(tmp_path / "body.npy", np.ones((3, 2)))], RowSources(id_prefix=""))
    (tmp_path / "body.npy").write_bytes(b"nothing")
    with pytest.raises(InvalidInputError, match=r"cannot be read as a \.npy array"):
        checked_arrays([str(tmp_path / "body.npy")], RowSources(id_prefix=""))


@pytest.mark.parametrize("kind", [pa.list_(pa.float32()), pa.list_(pa.float64(), 4), pa.large_list(pa.float16())])
def test_parquet_columns_are_mapped_by_name_and_by_option(tmp_path: Path, kind: pa.DataType) -> None:
    path = tmp_path / "items.parquet"
    columns = {
        "id": ["a", "b", "c"],
        "emb": pa.array([[1, 2, 3, 4], None, [5, 6, 7, 8]], kind),
        "body": pa.array([[1, 2], [3, 4], None], pa.list_(pa.float32())),
        "year": [1, 2, 3],
    }
    pq.write_table(pa.table(columns), path)
    fields = VectorFields(FIELDS.dimensions, {"title": "emb"})
    checked_table(path, fields)
    a, b, c = items_of(read_records(str(path), Columns(), (), fields))
    assert [set(item["vectors"]) for item in (a, b, c)] == [{"title", "body"}, {"body"}, {"title"}]
    np.testing.assert_array_equal(vectors_of([a, c], "title"), [[1, 2, 3, 4], [5, 6, 7, 8]])
    np.testing.assert_array_equal(vectors_of([a, b], "body"), [[1, 2], [3, 4]])
    assert [item["metadata"] for item in (a, b, c)] == [{"year": 1}, {"year": 2}, {"year": 3}]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"id": ["a", "b"], "title": [[1.0] * 4, [1.0] * 3]}, "row 2: the vector of 'title' needs 4 numbers, got 3"),
        ({"id": ["a", "b"], "title": [[1.0] * 4, [1.0, None, 1.0, 1.0]]}, "row 2: a number of 'title' is missing"),
        ({"id": ["a", "b"], "title": [None, [1.0, np.inf, 1.0, 1.0]]}, "row 2: a number of 'title' is NaN, infinite"),
        ({"id": ["a", None], "title": [[1.0] * 4] * 2}, "row 2 has no id"),
        ({"id": ["a", "a"], "title": [[1.0] * 4] * 2}, "row 2 repeats the id 'a'"),
        ({"id": ["a"], "title": [[1, 2, 3, 4]]}, "has to be a list of halffloat, float or double, got list<"),
        ({"id": ["a"], "title": ["words"]}, "has to be a list"),
    ],
)
def test_parquet_that_does_not_fit_is_refused_with_file_and_row(
    tmp_path: Path, columns: dict[str, Any], expected: str
) -> None:
    path = tmp_path / "items.parquet"
    pq.write_table(pa.table(columns), path)
    with pytest.raises(InvalidInputError, match=expected):
        checked_table(path)


def test_parquet_without_the_column_of_an_option_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "items.parquet"
    pq.write_table(pa.table({"id": ["a"]}), path)
    with pytest.raises(InvalidInputError, match=r"no column 'emb', which --field title=emb asks for; it has id"):
        checked_table(path, VectorFields(FIELDS.dimensions, {"title": "emb"}))


@pytest.mark.parametrize(
    ("vectors", "expected"),
    [
        ({"title": [1, 2, 3]}, "line 2: the vector of 'title' needs 4 float32 numbers, got 3"),
        ({"title": ["x"]}, "line 2: the vector of 'title' is no list of numbers"),
        ({"title": "not base64"}, "line 2: vector of field 'title' is not base64"),
        ({"title": [1, 2, 3, 1e39]}, "line 2: vector of field 'title' must be finite"),
        ({"titel": [1, 2, 3, 4]}, "line 2: the collection takes vectors for title, body, got 'titel'"),
        ([1, 2], "line 2: 'vectors' has to be an object"),
    ],
)
def test_lines_that_do_not_fit_are_refused_with_file_and_line(tmp_path: Path, vectors: object, expected: str) -> None:
    path = tmp_path / "items.jsonl"
    rows = [{"id": "a", "vectors": {"body": [1, 2]}}, {"id": "b", "vectors": vectors}]
    path.write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(InvalidInputError, match=expected):
        checked_table(path)


def test_field_options_name_fields_and_columns() -> None:
    fields = vector_fields(PAPERS, ["title=emb", "body"])
    assert fields == VectorFields({"title": 4, "body": 2}, {"title": "emb"}, ("body",))
    with pytest.raises(InvalidInputError, match="takes vectors for title, body, got 'text'"):
        vector_fields(PAPERS, ["text"])


def test_many_problems_are_cut_short() -> None:
    check = TableCheck()
    for row in range(9):
        check.see_id(f"row {row}", None)
    with pytest.raises(InvalidInputError, match=r"row 0 has no id.*row 9 has no id"):
        check.see_id("row 9", None)


def test_missing_packages_are_named_with_the_extra_that_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("numpy", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SightwireError, match=r"numpy; install sightwire\[vectors\]"):
        ArrayTable(["title.npy"], FIELDS, RowSources(id_prefix=""))
    (tmp_path / "items.parquet").touch()
    with pytest.raises(SightwireError, match=r"pyarrow; install sightwire\[vectors\]"):
        checked_table(tmp_path / "items.parquet")
