"""The language of text queries: red shoes, "red shoes", shoe*, shoo~1, -blue.

Anything is a query to it, apart from numbers after ~ that no word can be searched with; what is no word is found out
later, by the analyser of the collection's language.
"""

import re
from dataclasses import dataclass
from typing import Final

from typing_extensions import override

from sightwire.errors import InvalidInputError

MAX_FUZZY_DISTANCE: Final = 2

_TERM: Final = re.compile(r'(?P<minus>-?)"(?P<phrase>[^"]*)"?|(?P<excluded>-(?=[^\s"]))?(?P<word>[^\s"]+)')
_FUZZY: Final = re.compile(r"(?P<word>.*)~(?P<distance>[0-9]*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Term:
    """What an item must contain, or with `excluded` must not contain; `text` is as it was typed.

    At most one of `phrase`, `prefix` and `distance` (letters that may differ) says that it is not a plain word.
    """

    text: str
    excluded: bool = False
    phrase: bool = False
    prefix: bool = False
    distance: int = 0

    @override
    def __str__(self) -> str:
        """The term as a query; parsing it gives the same term."""
        text = f'"{self.text}"' if self.phrase else self.text
        fuzzy = f"~{self.distance}" if self.distance else ""
        return ("-" if self.excluded else "") + text + ("*" if self.prefix else "") + fuzzy


def parse_terms(text: str) -> list[Term]:
    """The terms of a query, in order; quotes that are not closed end with the query.

    Raises:
        InvalidInputError: a fuzzy word with another distance than 1 or 2.
    """
    terms = [_word(match) if match["phrase"] is None else _phrase(match) for match in _TERM.finditer(text)]
    return [term for term in terms if term.text]


def _phrase(match: re.Match[str]) -> Term:
    return Term(match["phrase"].strip(), excluded=bool(match["minus"]), phrase=True)


def _word(match: re.Match[str]) -> Term:
    word, excluded = match["word"], match["excluded"] is not None
    if word.endswith("*"):
        return Term(word.rstrip("*"), excluded, prefix=True)
    fuzzy = _FUZZY.fullmatch(word)
    if fuzzy is None:
        return Term(word, excluded)
    distance = fuzzy["distance"] or "1"
    if distance not in {"1", "2"}:
        raise InvalidInputError(f"a fuzzy word may differ in 1 to {MAX_FUZZY_DISTANCE} letters, got {word!r}")
    return Term(fuzzy["word"], excluded, distance=int(distance))
