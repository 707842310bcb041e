"""What `sightwire ingest` reads, and what it remembers."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from sightwire.cli.ingest_journal import IngestJournal
from sightwire.cli.ingest_sources import Columns, Record, UnreadableRecord, count_records, read_records
from sightwire.errors import InvalidInputError


def records(source: object, tags: tuple[str, ...] = ()) -> list[Record]:
    found = list(read_records(str(source), Columns(), tags))
    assert all(isinstance(record, Record) for record in found), found
    return found  # type: ignore[return-value]


def problems(source: object) -> list[str]:
    return [r.reason for r in read_records(str(source), Columns(), ()) if isinstance(r, UnreadableRecord)]


def make_picture(path: Path, colour: str = "red") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), colour).save(path)
    return path


def test_folder_gives_each_picture_its_relative_path_as_id(tmp_path: Path) -> None:
    for name in ("b.png", "sub/a.jpg", ".hidden/c.png", "notes.txt"):
        if name.endswith(".txt"):
            (tmp_path / name).write_text("no picture")
        else:
            make_picture(tmp_path / name)
    found = records(tmp_path, tags=("holiday",))
    assert [record.id for record in found] == ["b.png", "sub/a.jpg"]
    assert all(record.item["tags"] == ["holiday"] for record in found)
    assert count_records(str(tmp_path)) == 2


def test_fingerprint_follows_the_content(tmp_path: Path) -> None:
    path = make_picture(tmp_path / "a.png")
    (before,) = records(path)
    assert records(path)[0].fingerprint == before.fingerprint
    make_picture(path, "blue")
    (after,) = records(path)
    assert after.id == before.id
    assert after.fingerprint != before.fingerprint


def test_url_is_left_to_the_platform() -> None:
    (record,) = records("https://example.org/cat.jpg")
    assert record.picture is None
    assert record.item == {"id": "https://example.org/cat.jpg", "image": {"url": "https://example.org/cat.jpg"}}


def test_very_long_names_become_ids_of_allowed_length() -> None:
    (record,) = records("https://example.org/" + "x" * 400)
    (other,) = records("https://example.org/y" + "x" * 399)
    assert len(record.id) <= 256
    assert record.id != other.id


def test_csv_columns_become_members_and_metadata(tmp_path: Path) -> None:
    table = tmp_path / "shop.csv"
    table.write_text('id,text,tags,price,image\n7,"red, warm hat","hat; wool",19.90,hat.png\n8,scarf,,,\n')
    make_picture(tmp_path / "hat.png")
    hat, scarf = records(table)
    assert hat.item == {"id": "7", "text": "red, warm hat", "tags": ["hat", "wool"], "metadata": {"price": "19.90"}}
    assert hat.picture == tmp_path / "hat.png"
    assert scarf.item == {"id": "8", "text": "scarf"}


def test_json_lines_are_items_of_the_api(tmp_path: Path) -> None:
    table = tmp_path / "items.jsonl"
    items = [
        {"id": "a", "text": "one", "metadata": {"year": 1999}, "vectors": {"mine": [1, 2]}},
        {"id": "b", "image": {"url": "https://example.org/b.jpg"}, "tags": ["x"], "year": 2001},
    ]
    table.write_text("\n".join(json.dumps(item) for item in items) + "\n\n")
    first, second = records(table)
    assert first.item == items[0]
    assert second.item == {
        "id": "b",
        "image": {"url": "https://example.org/b.jpg"},
        "tags": ["x"],
        "metadata": {"year": 2001},
    }
    assert count_records(str(table)) == 2


def test_parquet_keeps_types(tmp_path: Path) -> None:
    path = tmp_path / "items.parquet"
    made = datetime(2026, 1, 31, tzinfo=UTC)
    columns = {"id": [1], "text": ["one"], "time": [made], "year": [2026], "tags": [["x", "y"]]}
    pq.write_table(pa.table(columns), path)
    (record,) = records(path)
    assert record.item == {
        "id": "1",
        "text": "one",
        "time": made.isoformat(),
        "tags": ["x", "y"],
        "metadata": {"year": 2026},
    }


def test_rows_without_id_get_one_from_their_content(tmp_path: Path) -> None:
    table = tmp_path / "texts.csv"
    table.write_text("text\none\ntwo\n")
    first, second = records(table)
    assert first.id != second.id
    assert [record.id for record in records(table)] == [first.id, second.id]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.jsonl", "{broken\n", "not JSON"),
        ("a.jsonl", "[1]\n", "not a JSON object"),
        ("a.jsonl", '{"id": "x"}\n', "neither"),
        ("a.csv", "id,image\n1,missing.png\n", "cannot be read"),
        ("a.csv", "id,text\n1,one,surplus\n", "more cells"),
    ],
)
def test_bad_rows_are_reported_and_their_neighbours_read(tmp_path: Path, name: str, content: str, reason: str) -> None:
    good = '{"id": "good", "text": "fine"}\n' if name.endswith("jsonl") else ""
    path = tmp_path / name
    path.write_text(content + good)
    found = list(read_records(str(path), Columns(), ()))
    assert reason in problems(path)[0]
    assert len(found) == 1 + bool(good)


@pytest.mark.parametrize("name", ["missing.png", "table.docx"])
def test_sources_that_are_nothing_known_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "table.docx").write_text("")
    with pytest.raises(InvalidInputError, match="expected"):
        records(tmp_path / name)


def test_broken_parquet_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "broken.parquet"
    path.write_bytes(b"PAR1")
    with pytest.raises(InvalidInputError, match="Parquet"):
        records(path)


def test_journal_remembers_across_runs(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with IngestJournal(path, "first-incarnation") as journal:
        journal.add("a" * 64)
    with IngestJournal(path, "first-incarnation") as journal:
        assert "a" * 64 in journal
        assert "b" * 64 not in journal
    with IngestJournal(path, "second-incarnation") as journal:
        assert "a" * 64 not in journal


def test_journal_survives_a_line_that_was_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_text(f"uid {'a' * 64}\nuid {'b' * 20}")
    with IngestJournal(path, "uid") as journal:
        journal.add("c" * 64)
    with IngestJournal(path, "uid") as journal:
        assert "a" * 64 in journal
        assert "c" * 64 in journal
        assert "b" * 64 not in journal


def test_forgotten_journal_starts_over(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with IngestJournal(path, "uid") as journal:
        journal.add("a" * 64)
        journal.forget()
        journal.add("b" * 64)
    with IngestJournal(path, "uid") as journal:
        assert "a" * 64 not in journal
        assert "b" * 64 in journal
