"""What counts as a word: runs of letters and digits in lower case, without the endings of the collection's language.

Index and queries must agree on this, so both take it from here.
"""

from functools import cache
from typing import Final, NamedTuple

from tantivy import Filter, TextAnalyzer, TextAnalyzerBuilder, Tokenizer

from sightwire.contracts.collections import TextLanguage

#: Longer runs, in bytes of UTF-8, are no words (keys, encoded data) and are left out.
MAX_WORD_BYTES: Final = 64


class Word(NamedTuple):
    """A word of a text: how it is indexed, its number among the words, and where it stands, in characters."""

    term: str
    position: int
    start: int
    end: int


def words(text: str, language: TextLanguage) -> list[Word]:
    """The words of `text`, in order. Positions skip what was too long to be a word."""
    tokens = text_analyzer(language).pre_tokenize(text).tokens
    return [Word(token.text, token.position, token.char_offset_from, token.char_offset_to) for token in tokens]


@cache
def text_analyzer(language: TextLanguage) -> TextAnalyzer:
    """The analyser that is registered with indexes of `language`."""
    builder = (
        TextAnalyzerBuilder(Tokenizer.simple()).filter(Filter.remove_long(MAX_WORD_BYTES)).filter(Filter.lowercase())
    )
    if language is not TextLanguage.NONE:
        builder = builder.filter(Filter.stemmer(language.value))
    return builder.build()
