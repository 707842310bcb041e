"""Drawings of flags: sets of icons that are named by the countries' codes of two letters."""

from collections.abc import Iterator, Mapping

from sightwire_trainer.datasets.drawings import Drawing
from sightwire_trainer.datasets.emoji import Concept
from sightwire_trainer.datasets.icon_drawings import icon_drawing
from sightwire_trainer.datasets.icons import IconSet

_REGIONAL_INDICATOR_A = 0x1F1E6


def flag_code(country: str) -> str:
    """The code of the emoji of a country's flag, by its two letters as `fr`."""
    return "-".join(f"{_REGIONAL_INDICATOR_A + ord(letter) - ord('a'):x}" for letter in country)


def drawings_of_flags(
    icons: IconSet, concepts: Mapping[str, Concept], source: str, *, suffix: str = ""
) -> Iterator[Drawing]:
    """A drawing for each concept of which the set has an icon, named by the country's code and the suffix."""
    for name, svg in icons.icons.items():
        country = name.removesuffix(suffix)
        if not name.endswith(suffix) or len(country) != 2 or not (country.isascii() and country.isalpha()):
            continue
        code = flag_code(country)
        if code in concepts:
            yield icon_drawing(icons, svg, concepts[code], source)
