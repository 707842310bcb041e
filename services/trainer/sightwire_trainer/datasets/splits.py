"""Which drawing is in which of the fixed sets, where no rule says it: the order of training, and the Open Clip Art.

`clipart_splits.txt.xz` has a line for each drawing: its set, its source, its identity (the code of a concept, or the
path of a file), and its name where that differs from what its package says. The Open Clip Art that these sets leave
out, and which of it is held out, was decided by hand-made filters and by groups of near-duplicates before this
repository began; the file is a record of that, and of a shuffle. The sets of emoji of a new artist and of unseen
concepts follow from `is_unseen`.
"""

import lzma
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

TRAIN: Final = "train"
TEST_OPENCLIPART: Final = "test-openclipart"
_FILE: Final = "clipart_splits.txt.xz"


@dataclass(frozen=True, slots=True)
class SplitEntry:
    """One drawing of a set."""

    source: str
    identity: str
    #: Empty: as its package says.
    name: str = ""


def read_splits() -> dict[str, tuple[SplitEntry, ...]]:
    """The drawings of each set in its order, which gives them their numbers."""
    lines = lzma.decompress(files(__package__).joinpath(_FILE).read_bytes()).decode().splitlines()
    sets: dict[str, list[SplitEntry]] = {}
    for line in lines:
        name_of_set, source, identity, name = line.split("\t")
        sets.setdefault(name_of_set, []).append(SplitEntry(source, identity, name))
    return {name: tuple(entries) for name, entries in sets.items()}


def packed_splits(sets: Iterable[tuple[str, Iterable[SplitEntry]]]) -> bytes:
    """The content of the file that `read_splits` reads."""
    lines = (f"{name}\t{entry.source}\t{entry.identity}\t{entry.name}\n" for name, of_set in sets for entry in of_set)
    return lzma.compress("".join(lines).encode(), preset=9 | lzma.PRESET_EXTREME)
