"""What somebody may have meant who wrote a name that is not known."""

import difflib
from collections.abc import Iterable
from itertools import islice
from typing import Final

from sightwire_orchestrator.definitions.errors import shown

_COMPARED_NAMES: Final = 500
_COMPARED_CHARACTERS: Final = 64
#: Enough for a person to read; comparing takes its time.
_SUGGESTIONS: Final = 30


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean "…"?`, or nothing where no name is like it."""
    candidates = [candidate for candidate in islice(known, _COMPARED_NAMES) if candidate != name]
    found = difflib.get_close_matches(name[:_COMPARED_CHARACTERS], candidates, n=1)
    return f"; did you mean {shown(found[0])}?" if found else ""


class Suggestions:
    """The nearest names for the first of many that are not known."""

    def __init__(self) -> None:
        self._left = _SUGGESTIONS

    def nearest(self, name: str, known: Iterable[str]) -> str:
        """As the function of the module; nothing once there were enough."""
        self._left -= 1
        return nearest(name, known) if self._left >= 0 else ""
