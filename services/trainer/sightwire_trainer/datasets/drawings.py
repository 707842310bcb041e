"""A drawing that becomes a sample: what is said of it, and how its picture is made."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from PIL import Image


@dataclass(frozen=True, slots=True)
class Drawing:
    """One picture of a style, not yet rendered."""

    name: str
    keywords: tuple[str, ...]
    #: The artist or style.
    source: str
    licence: str
    #: RGB [192, 192]; raises CorruptDataError or TooLargeError when it cannot be made.
    render: Callable[[], Image.Image]
    #: Drawings of one concept are positives of each other; None: of a concept of its own.
    concept: str | None = None
    description: str = ""
    #: Where it is in its package, when nothing else names it.
    path: str | None = None

    @property
    def identity(self) -> str:
        """Unique among the drawings of its source."""
        return self.path or self.concept or self.name

    def facts(self) -> bytes:
        """The JSON of its sample."""
        facts: dict[str, object] = {
            "concept": self.concept,
            "description": self.description,
            "keywords": list(self.keywords),
            "licence": self.licence,
            "name": self.name,
            "source": self.source,
        }
        if self.path is not None:
            facts["path"] = self.path
        return json.dumps(facts, ensure_ascii=False, sort_keys=True).encode()


def numbered(drawings: Iterable[Drawing]) -> Iterator[tuple[str, Drawing]]:
    """Each drawing with a key: its source and its number."""
    for number, drawing in enumerate(drawings):
        yield f"{drawing.source}-{number:05}", drawing
