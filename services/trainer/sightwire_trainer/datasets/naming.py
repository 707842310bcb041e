"""What a drawing shows by its name: names compared as words, so that `Snow_flakes` is a snowflake's neighbour."""

import re
from collections.abc import Iterable
from typing import Final

from sightwire_trainer.datasets.emoji import Concept, is_unseen

_FILLERS: Final = frozenset({"a", "an", "and", "at", "in", "of", "on", "the", "with"})


def name_words(name: str) -> tuple[str, ...]:
    """The words of a name in their order: lower case, in the singular, without articles and prepositions."""
    found = re.findall(r"[^\W_]+", name.lower())
    return tuple(_singular(word) for word in found if word not in _FILLERS) or tuple(found)


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith(("ches", "shes", "xes")):
        return word[:-2]
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us")) else word


class ConceptNames:
    """Finds the concept that a name means: its own name, or else an alias that no other concept has.

    Names that are written as one word are found as well.
    """

    def __init__(self, concepts: Iterable[Concept]) -> None:
        self._by_name: dict[str, Concept] = {}
        self._by_alias: dict[str, Concept | None] = {}
        for concept in concepts:
            self._by_name.setdefault(_joined(concept.name), concept)
            for alias in map(_joined, concept.aliases):
                known = self._by_alias.setdefault(alias, concept)
                self._by_alias[alias] = concept if known is concept else None

    def named(self, name: str) -> Concept | None:
        """The concept, unseen or not, that has this very name."""
        return self._by_name.get(_joined(name))

    def meant_by(self, name: str) -> Concept | None:
        """The concept, unseen or not, that has this name or alias; None when there is none, or there are several."""
        return self.named(name) or self._by_alias.get(_joined(name))


def _joined(name: str) -> str:
    return "".join(name_words(name))


class UnseenNames:
    """Recognises names that may mean a concept that is kept for evaluation; rather one too many than one too few."""

    def __init__(self, concepts: Iterable[Concept]) -> None:
        unseen = [concept for concept in concepts if is_unseen(concept.code)]
        names = {name_words(name) for concept in unseen for name in (concept.name, *concept.aliases)}
        self._names = {words for words in names if not _says_little(words)}
        self._joined = {"".join(words) for words in self._names}

    def include(self, name: str) -> bool:
        """Whether all words of an unseen concept's name are in this name, in any order, or written as one."""
        words = name_words(name)
        runs = ("".join(words[first:end]) for first in range(len(words)) for end in range(first + 1, len(words) + 1))
        if not self._joined.isdisjoint(runs):
            return True
        present = set(words)
        return any(present.issuperset(unseen) for unseen in self._names)


def _says_little(words: tuple[str, ...]) -> bool:
    """Names such as `0` or `ab` of buttons: they are compared as a whole only by code."""
    return len("".join(words)) < 3
