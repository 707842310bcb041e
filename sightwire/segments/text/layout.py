"""Parts and files of a segment's text index.

tantivy wants a folder of its own and names its files by random ids. In a segment they lie among the others as
`text.<number>.<kind>`, so that the same items make the same files; `text.meta.json` lists them as tantivy does.
"""

import os
import re
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import tantivy

#: Where the words of an item can stand: its text, its tags, and the names of the classes detected in it.
PARTS: Final = ("text", "tags", "classes")
#: Item row of a document.
ROW_FIELD: Final = "row"
#: Name under which the analyser is registered with an index.
ANALYZER: Final = "words"

_FOLDER_PREFIX: Final = "sightwire-text-"
_META: Final = "meta.json"
_PREFIX: Final = "text."
_NUMBERED: Final = re.compile(r"text\.(\d+)\.([a-z]+)")


def text_schema() -> tantivy.Schema:
    """Fields of every text index."""
    builder = tantivy.SchemaBuilder()
    for part in PARTS:
        builder = builder.add_text_field(part, tokenizer_name=ANALYZER, index_option="position")
    return builder.add_unsigned_field(ROW_FIELD, fast=True, indexed=True).build()


@contextmanager
def temporary_index_folder(place: Path | None = None) -> Iterator[Path]:
    """A folder for tantivy to open an index in, removed in the end.

    Args:
        place: where it is made; None for the system's folder of temporary files.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"{_FOLDER_PREFIX}{os.getpid()}-", dir=place))
    try:
        yield folder
    finally:
        # A thread of tantivy watches the index from its opening on. It may put its lock back while the folder is being
        # emptied, but not a second time so soon.
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)


def remove_abandoned_folders(place: Path) -> None:
    """Removes what processes left in `place` that were killed while they had a `temporary_index_folder` there."""
    for folder in place.glob(f"{_FOLDER_PREFIX}*-*"):
        owner = folder.name.removeprefix(_FOLDER_PREFIX).partition("-")[0]
        if owner.isdecimal() and not Path("/proc", owner).exists():
            shutil.rmtree(folder, ignore_errors=True)


def take_files(index_folder: Path, segment_folder: Path) -> list[str]:
    """Moves the files of a finished tantivy index into the segment's folder; returns their names there, sorted."""
    meta = (index_folder / _META).read_text()
    names: list[str] = []
    ids = re.findall(r'"segment_id":\s*"([0-9a-f-]{36})"', meta)
    for number, segment_id in enumerate(ids):
        meta = meta.replace(segment_id, str(uuid.UUID(int=number)))
        for path in sorted(index_folder.glob(f"{segment_id.replace('-', '')}.*")):
            name = f"{_PREFIX}{number}{path.suffix}"
            shutil.move(path, segment_folder / name)
            names.append(name)
    (segment_folder / (_PREFIX + _META)).write_text(meta)
    return sorted([*names, _PREFIX + _META])


def link_files(segment_folder: Path, names: tuple[str, ...], index_folder: Path) -> None:
    """Makes `index_folder` a tantivy index whose files are links to those of a segment."""
    for name in names:
        numbered = _NUMBERED.fullmatch(name)
        original = _META if numbered is None else f"{uuid.UUID(int=int(numbered[1])).hex}.{numbered[2]}"
        (index_folder / original).symlink_to((segment_folder / name).resolve())
