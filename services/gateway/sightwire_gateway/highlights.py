"""Excerpts with marked words, as answers show them."""

import html
from typing import Any

from sightwire.v1 import searcher_pb2


def highlighted(highlight: searcher_pb2.Highlight) -> dict[str, Any]:
    """An excerpt with its marked ranges in characters, and as HTML in which nothing but the marks is markup."""
    data = highlight.excerpt.encode()
    ranges: list[tuple[int, int]] = []
    marked: list[str] = []
    characters = end = 0
    for wanted in highlight.marked:
        before, word = data[end : wanted.start].decode(), data[wanted.start : wanted.end].decode()
        start = characters + len(before)
        characters, end = start + len(word), wanted.end
        ranges.append((start, characters))
        marked += [html.escape(before), "<mark>", html.escape(word), "</mark>"]
    marked.append(html.escape(data[end:].decode()))
    return {"part": highlight.part, "excerpt": highlight.excerpt, "ranges": ranges, "marked": "".join(marked)}
