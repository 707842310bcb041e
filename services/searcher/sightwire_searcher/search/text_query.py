"""A checked text query: its terms as the words that the collection's index holds."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final

from sightwire.contracts.collections import TextLanguage
from sightwire.errors import InvalidInputError
from sightwire.segments.text.analysis import words
from sightwire.segments.text.layout import PARTS
from sightwire.v1 import searcher_pb2
from sightwire_searcher.search.text_syntax import Term, parse_terms
from sightwire_searcher.search.weights import checked_weight

MAX_TEXT_CHARACTERS: Final = 4000
MAX_TERMS: Final = 64


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words at these distances from the first; usually a single one."""

    words: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class Prefix:
    """A word that begins with `start`, after the words `before` if there are any.

    Indexed words have lost their endings, those that begin with "running" too: `stem` is how that word is indexed.
    """

    before: tuple[tuple[int, str], ...]
    start: str
    stem: str


@dataclass(frozen=True, slots=True)
class Fuzzy:
    """A word that differs from one of `spellings` in up to `distance` letters; neighbours may be swapped."""

    spellings: tuple[str, ...]
    distance: int


@dataclass(frozen=True, slots=True)
class Clause:
    """One term of a query; `text` is as it was typed."""

    text: str
    what: Phrase | Prefix | Fuzzy
    excluded: bool


@dataclass(frozen=True, slots=True)
class CheckedTextQuery:
    """A text query that fits the collection. It has a clause that is not excluded.

    `parts` are those of the item to look into; `require_all`: every clause must match, not just one; `weight` is that
    of its ranking beside those of field queries; `highlight`: hits show where the words are.
    """

    clauses: tuple[Clause, ...]
    language: TextLanguage
    parts: tuple[str, ...] = PARTS
    require_all: bool = False
    weight: float = 1.0
    highlight: bool = False

    @property
    def matching_key(self) -> Hashable:
        """The same for queries that match the same items."""
        wanted = frozenset((clause.what, clause.excluded) for clause in self.clauses)
        return wanted, self.parts, self.require_all

    @property
    def included(self) -> list[Clause]:
        return [clause for clause in self.clauses if not clause.excluded]

    @property
    def excluded(self) -> list[Clause]:
        return [clause for clause in self.clauses if clause.excluded]


def checked_text(message: searcher_pb2.TextQuery, language: TextLanguage) -> CheckedTextQuery:
    """The text query of a request.

    Raises:
        InvalidInputError: it asks for no word, for too many, or for something that there is not.
    """
    unknown = sorted(set(message.parts).difference(PARTS))
    if unknown:
        raise InvalidInputError(f"items have the text parts {', '.join(PARTS)}, got {unknown[0]!r}")
    if len(message.text) > MAX_TEXT_CHARACTERS:
        raise InvalidInputError(f"a text query has up to {MAX_TEXT_CHARACTERS} characters, got {len(message.text)}")
    clauses = analysed(parse_terms(message.text), language)
    if not any(not clause.excluded for clause in clauses):
        raise InvalidInputError(f"a text query needs a word that is not excluded, got {message.text!r}")
    if len(clauses) > MAX_TERMS:
        raise InvalidInputError(f"a text query has up to {MAX_TERMS} words and phrases, got {len(clauses)}")
    return CheckedTextQuery(
        clauses=clauses,
        language=language,
        parts=tuple(part for part in PARTS if part in message.parts) or PARTS,
        require_all=message.require_all,
        weight=checked_weight(message.weight, "the text query"),
        highlight=message.highlight,
    )


def analysed(terms: Sequence[Term], language: TextLanguage) -> tuple[Clause, ...]:
    """The clauses of `terms`, each once; terms without a letter or digit are left out.

    Raises:
        InvalidInputError: a fuzzy term of several words.
    """
    clauses: dict[tuple[object, bool], Clause] = {}
    for term in terms:
        what = _what(term, language)
        if what is not None:
            clauses.setdefault((what, term.excluded), Clause(str(term), what, term.excluded))
    return tuple(clauses.values())


def _what(term: Term, language: TextLanguage) -> Phrase | Prefix | Fuzzy | None:
    indexed = words(term.text, language)
    if not indexed:
        return None
    offsets = tuple((word.position - indexed[0].position, word.term) for word in indexed)
    if not term.prefix and not term.distance:
        return Phrase(offsets)
    typed = words(term.text, TextLanguage.NONE)
    if term.prefix:
        return Prefix(before=offsets[:-1], start=typed[-1].term, stem=indexed[-1].term)
    if len(indexed) > 1:
        raise InvalidInputError(f"a fuzzy term is a single word, got {str(term)!r}")
    return Fuzzy(tuple(dict.fromkeys([indexed[0].term, typed[0].term])), term.distance)
