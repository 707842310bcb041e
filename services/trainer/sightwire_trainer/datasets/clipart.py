"""The clip-art dataset, made from packages: the fixed sets, and more styles of the concepts of training."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache, cached_property
from pathlib import Path
from typing import Final

from sightwire_trainer.datasets.archives import each_file, read_files
from sightwire_trainer.datasets.clipart_packages import PACKAGES
from sightwire_trainer.datasets.drawings import Drawing
from sightwire_trainer.datasets.emoji import COMPONENTS, Concept, is_unseen, read_concepts
from sightwire_trainer.datasets.emoji_drawings import drawings_of_files, drawings_of_fluent, drawings_of_icon_set
from sightwire_trainer.datasets.icons import IconSet, read_icon_set
from sightwire_trainer.datasets.naming import ConceptNames, UnseenNames
from sightwire_trainer.datasets.openclipart import SOURCE as OPENCLIPART
from sightwire_trainer.datasets.openclipart import ClipArt, drawings_of_clip_art, read_clip_art
from sightwire_trainer.datasets.packages import fetch_package
from sightwire_trainer.datasets.splits import TEST_OPENCLIPART, TRAIN, SplitEntry, read_splits

TEST_NEW_ARTIST: Final = "test-new-artist"
TEST_UNSEEN_CONCEPT: Final = "test-unseen-concept"
TEST_SETS: Final = (TEST_NEW_ARTIST, TEST_UNSEEN_CONCEPT, TEST_OPENCLIPART)
FIXED_SETS: Final = (TRAIN, *TEST_SETS)
_OPENCLIPART_FOLDER: Final = "usr/share/openclipart"


class ClipArtPackages:
    """What the packages hold, each downloaded and read when it is first asked for."""

    def __init__(self, cache_folder: Path, *, downloading: Callable[[str], None] = lambda _: None) -> None:
        self._cache_folder = cache_folder
        self._downloading = downloading

    def files(self, name: str, folder: str = "") -> dict[str, bytes]:
        """The files of a package below one of its folders."""
        return read_files(self._archive(name), folder)

    def icons(self, name: str) -> IconSet:
        """The set of icons `@iconify-json/NAME`."""
        return read_icon_set(self.files(f"@iconify-json/{name}"))

    @cached_property
    def concepts_and_components(self) -> dict[str, Concept]:
        """All concepts of emoji by code, and skin tones and hair, which are no concepts of pictures but have some."""
        english = self.files("emojibase-data", "en")
        shortcodes = [
            file for name, file in english.items() if name.startswith("shortcodes/") and name.endswith("json")
        ]
        return read_concepts(english["data.json"], shortcodes)

    @cached_property
    def concepts(self) -> dict[str, Concept]:
        """All concepts of emoji by code."""
        everything = self.concepts_and_components
        return {code: concept for code, concept in everything.items() if concept.group != COMPONENTS}

    @cached_property
    def training_concepts(self) -> dict[str, Concept]:
        """Those that pictures of training may show."""
        return {code: concept for code, concept in self.concepts.items() if not is_unseen(code)}

    @cached_property
    def names(self) -> ConceptNames:
        """Of all concepts."""
        return ConceptNames(self.concepts.values())

    @cached_property
    def unseen_names(self) -> UnseenNames:
        """Of the concepts that are kept for evaluation."""
        return UnseenNames(self.concepts.values())

    @cached_property
    def clip_art(self) -> dict[str, ClipArt]:
        """What is said of each picture of the Open Clip Art Library, by path."""
        return read_clip_art(each_file(self._archive("openclipart-svg"), f"{_OPENCLIPART_FOLDER}/svg"))

    @cached_property
    def clip_art_pictures(self) -> dict[str, bytes]:
        """The PNG files of the Open Clip Art Library by path, about 150 MB."""
        return self.files("openclipart-png", f"{_OPENCLIPART_FOLDER}/png")

    def _archive(self, name: str) -> Path:
        package = PACKAGES[name]
        if not (self._cache_folder / package.filename).is_file():
            self._downloading(package.label)
        return fetch_package(package, self._cache_folder)


def drawings_of_fixed_set(name: str, packages: ClipArtPackages) -> Iterator[Drawing]:
    """The drawings of one of `FIXED_SETS`, in its order."""
    if name == TEST_NEW_ARTIST:
        return _new_artist(packages)
    if name == TEST_UNSEEN_CONCEPT:
        unseen = {code: concept for code, concept in packages.concepts.items() if is_unseen(code)}
        return drawings_of_icon_set(packages.icons("noto"), unseen, "noto")
    return _listed_drawings(_splits()[name], packages)


def _new_artist(packages: ClipArtPackages) -> Iterator[Drawing]:
    # When this set was made, skin tones and hair were not left out, but keycaps and the signs of copyright were, whose
    # codes Twemoji writes with fewer than four digits. It stays as it is, so that figures can be compared.
    files = packages.files("@twemoji/svg")
    fully_written = {name: svg for name, svg in files.items() if not re.match(r"[0-9a-f]{1,3}[-.]", name)}
    seen = {code: concept for code, concept in packages.concepts_and_components.items() if not is_unseen(code)}
    return drawings_of_files(fully_written, seen, "twemoji", "CC-BY-4.0")


def _listed_drawings(entries: tuple[SplitEntry, ...], packages: ClipArtPackages) -> Iterator[Drawing]:
    sources = {entry.source for entry in entries}
    drawings: dict[tuple[str, str], Drawing] = {}
    if "fluent" in sources:
        modern = packages.files("fluentui-emoji", "icons/modern")
        drawings |= _by_identity(drawings_of_fluent(modern, packages.training_concepts, "fluent"))
    if "noto" in sources:
        drawings |= _by_identity(drawings_of_icon_set(packages.icons("noto"), packages.training_concepts, "noto"))
    if OPENCLIPART in sources:
        wanted = [entry.identity for entry in entries if entry.source == OPENCLIPART]
        found = drawings_of_clip_art(packages.clip_art, packages.clip_art_pictures.items(), wanted)
        drawings |= _by_identity(iter(found.values()))
    for entry in entries:
        drawing = drawings[entry.source, entry.identity]
        yield replace(drawing, name=entry.name) if entry.name else drawing


def _by_identity(drawings: Iterator[Drawing]) -> Mapping[tuple[str, str], Drawing]:
    return {(drawing.source, drawing.identity): drawing for drawing in drawings}


@cache
def _splits() -> dict[str, tuple[SplitEntry, ...]]:
    return read_splits()
