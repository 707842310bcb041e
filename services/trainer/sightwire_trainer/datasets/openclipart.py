"""The Open Clip Art Library as Debian packs it: PNGs in one package, what is said of them in the SVGs of another."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final
from xml.etree import ElementTree

from sightwire_trainer.datasets.drawings import Drawing
from sightwire_trainer.datasets.rendering import opened_picture

SOURCE: Final = "openclipart"
_LICENCE: Final = "public domain"
_NAMESPACES: Final = {
    "cc": "http://web.resource.org/cc/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
}
#: Keywords that say where a picture was filed, or that it is a picture, not what it shows.
# fmt: off
_EMPTY_KEYWORDS: Final = frozenset({
    "action", "animals", "appicon", "application", "cartoon", "clipart", "color", "colour", "computer", "drawing",
    "education", "filesystem", "flags", "geography", "geometry", "icon", "icons", "image", "lemon theme icon", "logo",
    "logos", "mapsym", "menu", "mime types", "mimetypes", "objects", "office", "people", "recreation", "shape",
    "shapes", "sign", "signs and symbols", "special", "svg", "symbol", "symbols", "theme", "united nations member",
    "unsorted",
})
# fmt: on
#: So many pictures with one title are a collection, and the title is the collection's.
_TITLES_OF_A_COLLECTION: Final = 10
_LONGEST_DESCRIPTION: Final = 200


@dataclass(frozen=True, slots=True)
class ClipArt:
    """What is said of one picture."""

    #: Of the file, without its extension.
    path: str
    name: str
    keywords: tuple[str, ...]
    description: str

    def drawing(self, png: bytes) -> Drawing:
        """The picture as it is placed on its canvas."""
        return Drawing(
            name=self.name,
            keywords=self.keywords,
            description=self.description,
            source=SOURCE,
            licence=_LICENCE,
            path=self.path,
            render=partial(opened_picture, png),
        )


def read_clip_art(svg_files: Iterable[tuple[str, bytes]]) -> dict[str, ClipArt]:
    """What the SVG files say of their pictures, by path without extension; files that are not XML are left out."""
    works: dict[str, ElementTree.Element | None] = {}
    for path, content in svg_files:
        if path.endswith(".svg"):
            try:
                works[path.removesuffix(".svg")] = _work(content)
            except ElementTree.ParseError:
                continue
    titles = {path: _text(work, "dc:title") for path, work in works.items()}
    counts = Counter(titles.values())
    return {
        path: ClipArt(
            path=path,
            name=name_of_file(path) if _is_of_a_collection(title, counts) else _plain(title),
            keywords=_keywords(works[path]),
            description=_description(works[path]),
        )
        for path, title in titles.items()
    }


def drawings_of_clip_art(
    clip_art: Mapping[str, ClipArt], png_files: Iterable[tuple[str, bytes]], wanted: Iterable[str]
) -> dict[str, Drawing]:
    """Drawings of the wanted paths, as far as both packages have them."""
    paths = set(wanted) & clip_art.keys()
    return {
        path: clip_art[path].drawing(content)
        for file, content in png_files
        for path in (file.removesuffix(".png"),)
        if path in paths
    }


def name_of_file(path: str) -> str:
    """The words in a file's name, without numbers."""
    return _plain(re.sub(r"\d+", "", path.rpartition("/")[2].removesuffix("_zazou")))


def _work(content: bytes) -> ElementTree.Element | None:
    # The packages' sha256 is known, so that no hostile XML comes here.
    return ElementTree.fromstring(content).find(".//cc:Work", _NAMESPACES)  # noqa: S314


def _text(work: ElementTree.Element | None, tag: str) -> str:
    return ((work.findtext(tag, "", _NAMESPACES) if work is not None else "") or "").strip()


def _is_of_a_collection(title: str, counts: Mapping[str, int]) -> bool:
    return not title or counts[title] >= _TITLES_OF_A_COLLECTION or title.lower().startswith("clipart by")


def _description(work: ElementTree.Element | None) -> str:
    text = " ".join(_text(work, "dc:description").split())
    # What a program wrote when there was none.
    return "" if text.startswith("HASH(") else text[:_LONGEST_DESCRIPTION]


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[_\-/]+", " ", text.lower()).split())


def _keywords(work: ElementTree.Element | None) -> tuple[str, ...]:
    if work is None:
        return ()
    found = (_plain(item.text or "") for item in work.findall("dc:subject/rdf:Bag/rdf:li", _NAMESPACES))
    return tuple(
        dict.fromkeys(word for word in found if word and not word.startswith("hash") and word not in _EMPTY_KEYWORDS)
    )
