"""Writes the text index of a segment from its tables."""

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import tantivy

from sightwire.contracts.collections import TextLanguage
from sightwire.segments.mapped_table import numbers, single_batch
from sightwire.segments.text.analysis import text_analyzer
from sightwire.segments.text.layout import ANALYZER, ROW_FIELD, take_files, temporary_index_folder, text_schema

#: Words in memory before tantivy starts another part of the index; a bound, not an allocation.
_HEAP_BYTES: Final = 512 << 20

#: Files in here never reach a disk.
MEMORY_FOLDER: Final = Path("/dev/shm")  # noqa: S108 - no predictable name is used in it
_NEEDED_MEMORY: Final = 32 << 20
#: Up to this an index takes a small part of that.
_SMALL_ROWS: Final = 5000
_SMALL_BYTES: Final = 2 << 20


def write_text_index(folder: Path, items: pa.Table, objects: pa.Table, language: TextLanguage) -> tuple[str, ...]:
    """Writes the text index of a segment into its folder.

    Every item becomes a document, also one without words, so that documents are counted alike however items are
    spread over segments.

    Args:
        items: columns of `SegmentSchema.items`.
        objects: columns of `OBJECTS_SCHEMA`.

    Returns:
        Names of the files, none if no item has a text, a tag or an object.
    """
    if not _has_words(items, objects):
        return ()
    with temporary_index_folder(_building_place(folder, items)) as index_folder:
        index = tantivy.Index(text_schema(), str(index_folder))
        index.register_tokenizer(ANALYZER, text_analyzer(language))
        # One thread adds the rows in order: the same items make the same index.
        writer = index.writer(_HEAP_BYTES, 1)
        for document in _documents(items, objects):
            writer.add_document(document)
        writer.commit()
        writer.wait_merging_threads()
        return tuple(take_files(index_folder, folder))


def class_names_by_item(objects: pa.RecordBatch, rows: Sequence[int]) -> list[list[str]]:
    """Names of the classes detected in each of the item rows, each once, in the order of the objects."""
    owners = numbers(objects["item_row"])
    starts = np.searchsorted(owners, rows)
    ends = np.searchsorted(owners, rows, side="right")
    names: Any = objects["class_name"]
    return [
        list(dict.fromkeys(names.slice(start, end - start).to_pylist()))
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
    ]


def _building_place(folder: Path, items: pa.Table) -> Path:
    """Where the index of a segment is built before its files are moved into the segment's folder."""
    # tantivy flushes each of its files to disk, and so does who writes the segment: for a small commit once is enough.
    is_small = items.num_rows <= _SMALL_ROWS and items["text"].nbytes <= _SMALL_BYTES
    if not is_small or not os.access(MEMORY_FOLDER, os.W_OK):
        return folder
    return MEMORY_FOLDER if shutil.disk_usage(MEMORY_FOLDER).free >= _NEEDED_MEMORY else folder


def _has_words(items: pa.Table, objects: pa.Table) -> bool:
    if objects.num_rows or items["text"].null_count < items.num_rows:
        return True
    longest: Any = pc.max(pc.list_value_length(items["tags"])).as_py()
    return bool(longest)


def _documents(items: pa.Table, objects: pa.Table) -> Iterator[tantivy.Document]:
    names, codes, offsets = _classes(single_batch(objects), items.num_rows)
    texts = items["text"].to_pylist()
    all_tags: list[Any] = items["tags"].to_pylist()
    for row, (text, tags) in enumerate(zip(texts, all_tags, strict=True)):
        document = tantivy.Document()
        document.add_unsigned(ROW_FIELD, row)
        if text:
            document.add_text("text", text)
        for tag in tags:
            document.add_text("tags", tag)
        for code in dict.fromkeys(codes[offsets[row] : offsets[row + 1]].tolist()):
            document.add_text("classes", names[code])
        yield document


def _classes(objects: pa.RecordBatch, rows: int) -> tuple[list[str], npt.NDArray[np.int32], list[int]]:
    """Class names, the position of each object's name among them, and per item row where its objects begin."""
    column: Any = objects["class_name"]
    offsets = np.searchsorted(numbers(objects["item_row"]), np.arange(rows + 1, dtype=np.uint32))
    return column.dictionary.to_pylist(), numbers(column.indices), offsets.tolist()
