"""Highlights: byte ranges become characters and HTML."""

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st
from sightwire_gateway.highlights import highlighted

from sightwire.v1 import searcher_pb2


def highlight(pieces: list[str]) -> searcher_pb2.Highlight:
    """Every second piece is marked."""
    message = searcher_pb2.Highlight(part="text", excerpt="".join(pieces))
    for number in range(1, len(pieces), 2):
        start = len("".join(pieces[:number]).encode())
        message.marked.add(start=start, end=start + len(pieces[number].encode()))
    return message


def test_an_excerpt_is_safe_to_show():
    answer = highlighted(highlight(["<b>süß & ", "schön", '"</b>']))
    assert answer == {
        "part": "text",
        "excerpt": '<b>süß & schön"</b>',
        "ranges": [(9, 14)],
        "marked": "&lt;b&gt;süß &amp; <mark>schön</mark>&quot;&lt;/b&gt;",
    }


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\x00"), min_size=1), max_size=7))
def test_ranges_and_markup_say_the_same(pieces: list[str]):
    answer = highlighted(highlight(pieces))
    assert [answer["excerpt"][start:end] for start, end in answer["ranges"]] == pieces[1::2]
    reader = _Reader()
    reader.feed(answer["marked"])
    reader.close()
    assert reader.text == answer["excerpt"]
    assert reader.tags <= {"mark"}
