"""Excerpts of found items in which the words of a text query are marked; computed from the stored items."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from sightwire.segments.reader import SegmentReader
from sightwire.segments.text.analysis import Word, words
from sightwire.segments.text.building import class_names_by_item
from sightwire.v1 import searcher_pb2
from sightwire_searcher.search.edit_distance import within_distance
from sightwire_searcher.search.text_query import CheckedTextQuery, Fuzzy, Phrase, Prefix

#: Length of an excerpt; up to a word longer, and less where words begin and end.
EXCERPT_CHARACTERS: Final = 160
#: Of longer texts only the beginning is looked through.
MAX_CHARACTERS: Final = 20_000
#: Of an excerpt, what stands before the first marked word.
_LEAD_CHARACTERS: Final = 40
_SEPARATOR: Final = ", "

_Matches = Callable[[str], bool]


class Mark(NamedTuple):
    """A piece of a text that a clause matched, in characters."""

    start: int
    end: int
    clause: int


class Highlighter:
    """Marks the words of one text query."""

    def __init__(self, text: CheckedTextQuery) -> None:
        self._text = text
        self._patterns = [_pattern(clause.what) for clause in text.included]

    def highlights(self, reader: SegmentReader, row: int) -> Iterator[searcher_pb2.Highlight]:
        """One highlight for each part of an item that has a word of the query."""
        for part in self._text.parts:
            highlight = self.highlight(part, _part_text(reader, row, part)[:MAX_CHARACTERS])
            if highlight is not None:
                yield highlight

    def highlight(self, part: str, text: str) -> searcher_pb2.Highlight | None:
        """The excerpt of `text` with most of the query's words; None without any."""
        marks = self.marks(text)
        if not marks:
            return None
        start, end = excerpt_range(text, marks)
        excerpt = text[start:end]
        highlight = searcher_pb2.Highlight(part=part, excerpt=excerpt)
        for mark in _merged([mark for mark in marks if start <= mark.start and mark.end <= end]):
            before = len(excerpt[: mark.start - start].encode())
            marked = len(text[mark.start : mark.end].encode())
            highlight.marked.append(searcher_pb2.ByteRange(start=before, end=before + marked))
        return highlight

    def marks(self, text: str) -> list[Mark]:
        """What of `text` matches, by where it begins; marks of different clauses may overlap."""
        found = words(text, self._text.language)
        by_position = {word.position: word for word in found}
        marks = [
            Mark(matched.start, matched.end, clause)
            for clause, pattern in enumerate(self._patterns)
            for first in found
            for matched in _matched(first, by_position, pattern)
        ]
        return sorted(set(marks))


def excerpt_range(text: str, marks: Sequence[Mark]) -> tuple[int, int]:
    """Where the excerpt with most clauses, then most marks, then the earliest, begins and ends, in characters."""
    if len(text) <= EXCERPT_CHARACTERS:
        return 0, len(text)

    def worth(first: int) -> tuple[int, int]:
        limit = marks[first].start + EXCERPT_CHARACTERS - _LEAD_CHARACTERS
        inside = [mark for mark in marks[first : first + EXCERPT_CHARACTERS] if mark.end <= limit]
        return len({mark.clause for mark in inside}), len(inside)

    best = marks[max(range(len(marks)), key=worth)]
    start = max(0, min(best.start - _LEAD_CHARACTERS, len(text) - EXCERPT_CHARACTERS))
    end = max(start + EXCERPT_CHARACTERS, best.end)
    # Half a word at either end is left out, unless that is the marked one.
    while 0 < start < best.start and not text[start - 1].isspace():
        start += 1
    while best.end < end < len(text) and not text[end].isspace():
        end -= 1
    return start, end


def _pattern(what: Phrase | Prefix | Fuzzy) -> list[tuple[int, _Matches]]:
    """What the words at these distances from the first must be."""
    match what:
        case Phrase(words=wanted):
            return [(offset, word.__eq__) for offset, word in wanted]
        case Prefix(before=before, start=start, stem=stem):
            offset = before[-1][0] + 1 if before else 0
            last: _Matches = lambda word: word.startswith(start) or (not before and word == stem)  # noqa: E731
            return [*((place, word.__eq__) for place, word in before), (offset, last)]
        case Fuzzy(spellings=spellings, distance=distance):
            return [(0, lambda word: any(within_distance(word, spelling, distance) for spelling in spellings))]


def _matched(first: Word, by_position: dict[int, Word], pattern: Sequence[tuple[int, _Matches]]) -> list[Word]:
    """The words that match a pattern from `first` on; none if one of them does not."""
    matched = []
    for offset, matches in pattern:
        word = by_position.get(first.position + offset)
        if word is None or not matches(word.term):
            return []
        matched.append(word)
    return matched


def _merged(marks: Sequence[Mark]) -> list[Mark]:
    """Ascending marks without overlaps."""
    merged: list[Mark] = []
    for mark in marks:
        if merged and mark.start < merged[-1].end:
            merged[-1] = merged[-1]._replace(end=max(merged[-1].end, mark.end))
        else:
            merged.append(mark)
    return merged


def _part_text(reader: SegmentReader, row: int, part: str) -> str:
    if part == "classes":
        return _SEPARATOR.join(class_names_by_item(reader.objects, [row])[0])
    value: Any = reader.items[part][row].as_py()
    return value or "" if part == "text" else _SEPARATOR.join(value)
