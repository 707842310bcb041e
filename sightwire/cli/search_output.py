"""Results of a search for people: a table of hits, and one of counted values."""

from collections.abc import Iterator

import typer
from rich.markup import escape

from sightwire.cli.output import print_table
from sightwire.client import Hit, SearchResults

_SHOWN_TEXT_CHARACTERS = 80
_ABSENT = "(none)"
_OTHERS = "(others)"


def print_results(found: SearchResults, *, grouped: bool) -> None:
    """Hits, then facets, then how to go on."""
    columns = ["score", "id", "text", "objects"]
    print_table(["group", *columns] if grouped else columns, (hit_row(hit, grouped=grouped) for hit in found.hits))
    if found.facets:
        typer.echo()
        print_table(("facet", "value", "items"), facet_rows(found))
    if found.next_cursor:
        typer.echo(f"more: --cursor {found.next_cursor}")


def hit_row(hit: Hit, *, grouped: bool) -> tuple[str, ...]:
    """A hit's cells; in place of its text the excerpts with words in [brackets], where there are any."""
    excerpts = [_bracketed(highlight.excerpt, highlight.ranges) for highlight in hit.highlights]
    text = " … ".join(excerpts) or _shortened(str(hit.item.get("text") or ""))
    objects = ", ".join(f"{matched.class_name} {matched.confidence:.2f}" for matched in hit.objects)
    row = (f"{hit.score:.4f}", hit.id, escape(text), objects)
    return (_ABSENT if hit.group is None else escape(str(hit.group)), *row) if grouped else row


def facet_rows(found: SearchResults) -> Iterator[tuple[str, str, int]]:
    """Field, value and count; the rest of each field after its values."""
    for field, facet in found.facets.items():
        for entry in facet.values:
            yield field, escape(str(entry.value)), entry.count
        if facet.others:
            yield field, _OTHERS, facet.others
        if facet.missing:
            yield field, _ABSENT, facet.missing


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN_TEXT_CHARACTERS else text[: _SHOWN_TEXT_CHARACTERS - 1] + "…"


def _bracketed(excerpt: str, ranges: tuple[tuple[int, int], ...]) -> str:
    shown, end = "", 0
    for start, stop in ranges:
        shown += f"{excerpt[end:start]}[{excerpt[start:stop]}]"
        end = stop
    return shown + excerpt[end:]
