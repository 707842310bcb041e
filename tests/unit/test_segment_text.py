"""The text index of a segment: how it is stored, and what it finds."""

import contextlib
import dataclasses
import subprocess
import sys
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from pyroaring import BitMap
from tantivy import Query

from sightwire.contracts.collections import TextLanguage
from sightwire.errors import CorruptDataError
from sightwire.segments.merge import merged_content
from sightwire.segments.reader import SegmentReader
from sightwire.segments.text.analysis import words
from sightwire.segments.text.layout import remove_abandoned_folders, temporary_index_folder
from sightwire.segments.version_index import LiveSegment
from sightwire.segments.writer import write_segment
from tests.plugin.segments import SCHEMA, detected, identity, item, make_segment, vector


def rows_with(reader: SegmentReader, part: str, word: str) -> list[str]:
    assert reader.text is not None
    return sorted(reader.ids(reader.text.matching_rows(Query.term_query(reader.text.schema, part, word, "basic"))))


def test_words_of_text_tags_and_classes_are_found(tmp_path: Path) -> None:
    reader = make_segment(
        tmp_path,
        [
            item("a", text="Red shoes"),
            item("b", tags=["shoe shop", "red"]),
            item("c", objects=[detected(3)], vectors={"object": vector(np.random.default_rng(0), 1, 8)}),
            item("d"),
        ],
    )
    assert rows_with(reader, "text", "shoe") == ["a"]
    assert rows_with(reader, "tags", "shoe") == ["b"]
    assert rows_with(reader, "classes", "3") == ["c"]
    assert reader.text is not None
    assert (reader.text.rows, reader.text.doc_freq("tags", "red")) == (4, 1)


def test_a_segment_without_words_has_no_text_index(tmp_path: Path) -> None:
    reader = make_segment(tmp_path, [item("a"), item("b")])
    assert reader.text is None
    assert not [path for path in reader.folder.iterdir() if path.name.startswith("text")]


def test_the_same_items_make_the_same_files(tmp_path: Path) -> None:
    items = [item(f"item-{number}", text=f"number {number} of many") for number in range(50)]
    checksums = [
        {file.name: file.sha256 for file in make_segment(tmp_path / name, items).description.files}
        for name in ("first", "second")
    ]
    assert checksums[0] == checksums[1]


def test_every_file_is_described_and_checked(tmp_path: Path) -> None:
    reader = make_segment(tmp_path, [item("a", text="words")])
    described = {file.name for file in reader.description.files}
    assert described == {path.name for path in reader.folder.iterdir()} - {"segment.json"}
    assert set(reader.description.text_files) <= described
    damaged = reader.folder / reader.description.text_files[0]
    damaged.write_bytes(bytes(damaged.stat().st_size))
    with pytest.raises(CorruptDataError, match="text"):
        SegmentReader.open(reader.folder)


def test_opening_leaves_nothing_in_the_folder(tmp_path: Path) -> None:
    folder = make_segment(tmp_path, [item("a", text="words")]).folder
    before = sorted(path.name for path in folder.iterdir())
    assert rows_with(SegmentReader.open(folder), "text", "word") == ["a"]
    assert sorted(path.name for path in folder.iterdir()) == before


def test_a_folder_goes_although_a_file_comes_meanwhile(tmp_path: Path) -> None:
    late: Thread
    with temporary_index_folder(tmp_path) as folder:
        # So many that the file is made between the first of them and the folder itself.
        names = [folder / f"{number}" for number in range(5_000)]
        for name in names:
            name.touch()

        def lock_when_emptied() -> None:
            while all(name.exists() for name in names[::500]):
                pass
            with contextlib.suppress(FileNotFoundError):
                (folder / ".tantivy-meta.lock").touch()

        late = Thread(target=lock_when_emptied)
        late.start()
    late.join(timeout=30)
    assert list(tmp_path.iterdir()) == []


def test_folders_of_killed_processes_are_removed(tmp_path: Path) -> None:
    code = (
        "import os, pathlib, signal, sys; from sightwire.segments.text.layout import temporary_index_folder\n"
        "with temporary_index_folder(pathlib.Path(sys.argv[1])): os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert len(list(tmp_path.iterdir())) == 1
    with temporary_index_folder(tmp_path) as in_use:
        remove_abandoned_folders(tmp_path)
        assert list(tmp_path.iterdir()) == [in_use]


def test_a_merge_indexes_what_is_left(tmp_path: Path) -> None:
    schema = dataclasses.replace(SCHEMA, language=TextLanguage.GERMAN)
    first = make_segment(tmp_path, [item("a", text="Häuser"), item("b", text="Häuser")], schema=schema)
    second = make_segment(tmp_path, [item("c", text="ein Haus"), item("d")], schema=schema)
    segments = [LiveSegment(first, BitMap(first.find_ids(["b"]).tolist())), LiveSegment(second, BitMap())]
    content = merged_content(segments, first.schema, drop_tombstones_up_to=0)
    merged = tmp_path / "merged"

    write_segment(merged, identity("merged"), content)

    reader = SegmentReader.open(merged)
    assert reader.description.language is TextLanguage.GERMAN
    assert rows_with(reader, "text", "haus") == ["a", "c"]


def test_words_stand_where_they_are() -> None:
    text = "Größe: Running shoes"
    found = words(text, TextLanguage.ENGLISH)
    assert [word.term for word in found] == ["größe", "run", "shoe"]
    assert [text[word.start : word.end] for word in found] == ["Größe", "Running", "shoes"]
    assert [word.position for word in found] == [0, 1, 2]
