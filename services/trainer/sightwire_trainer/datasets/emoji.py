"""The concepts of emoji: their codes, names and keywords, and which of them no training picture may show."""

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_VARIATION_SELECTOR = "fe0f"
#: The group of parts of other emoji: skin tones and hair.
COMPONENTS = 2
#: Percent of the concepts that training pictures leave out.
_UNSEEN_PERCENT = 15


@dataclass(frozen=True, slots=True)
class Concept:
    """What an emoji means, whoever draws it."""

    #: Code points, lower-case hexadecimal of at least four digits, joined by `-`, without variation selectors.
    code: str
    name: str
    keywords: tuple[str, ...]
    #: emojibase's number of the group of emoji; None for regional indicators.
    group: int | None
    #: Other names of it: of its character, and those that chat programs know it by.
    aliases: tuple[str, ...] = ()


def concept_code(code_points: str) -> str:
    """The code of a concept as others write it: `1F9D1-200D-2695-FE0F`, `u1f9d1_200d_2695`, `23-20e3`."""
    parts = code_points.lower().removeprefix("u").replace("_", "-").split("-")
    return "-".join(part.zfill(4) for part in parts if part != _VARIATION_SELECTOR)


def is_unseen(code: str) -> bool:
    """Whether the concept is one of the 15% that are kept for evaluation; nothing is trained on any picture of it."""
    return int(hashlib.sha256(code.encode()).hexdigest(), 16) % 100 < _UNSEEN_PERCENT


def read_concepts(data: bytes, shortcodes: Iterable[bytes] = ()) -> dict[str, Concept]:
    """Concepts by code, of emojibase's `data.json` and files of `shortcodes` of one language."""
    aliases = _aliases(shortcodes)
    return {
        code: Concept(
            code=code,
            name=entry["label"],
            keywords=tuple(entry.get("tags", ())),
            group=entry.get("group"),
            aliases=tuple(dict.fromkeys((*_character_name(code), *aliases.get(code, ())))),
        )
        for entry in json.loads(data)
        for code in (concept_code(entry["hexcode"]),)
    }


def _aliases(shortcodes: Iterable[bytes]) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for content in shortcodes:
        for code_points, names in json.loads(content).items():
            of_concept = found.setdefault(concept_code(code_points), {})
            of_concept.update(dict.fromkeys([names] if isinstance(names, str) else names))
    return {code: tuple(names) for code, names in found.items()}


def _character_name(code: str) -> tuple[str, ...]:
    if "-" in code:
        return ()
    name = unicodedata.name(chr(int(code, 16)), "")
    return (name.lower(),) if name else ()
