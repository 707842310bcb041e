"""Drawings of emoji: sets that know the code points of their pictures, and Fluent, which has names."""

import re
from collections.abc import Iterator, Mapping
from functools import partial

from sightwire_trainer.datasets.drawings import Drawing
from sightwire_trainer.datasets.emoji import Concept, concept_code
from sightwire_trainer.datasets.icons import IconSet
from sightwire_trainer.datasets.rendering import opened_picture, rendered_svg


def drawings_of_icon_set(
    icons: IconSet, concepts: Mapping[str, Concept], source: str, *, trim: bool = False
) -> Iterator[Drawing]:
    """A drawing for each concept of which the set has the character, in the order of the concepts' codes."""
    names = {concept_code(code): name for code, name in icons.characters.items()}
    yield from _drawings_by_code(
        {code: icons.icons[name] for code, name in names.items() if name in icons.icons},
        concepts,
        source,
        icons.licence,
        trim=trim,
    )


def drawings_of_files(
    files: Mapping[str, bytes], concepts: Mapping[str, Concept], source: str, licence: str, *, trim: bool = False
) -> Iterator[Drawing]:
    """As `drawings_of_icon_set`, of pictures and SVG files that are named by code points."""
    pictures: dict[str, str | bytes] = {}
    for name, content in files.items():
        stem, _, extension = name.rpartition(".")
        if extension in ("svg", "webp", "png"):
            pictures[concept_code(stem)] = content.decode() if extension == "svg" else content
    yield from _drawings_by_code(pictures, concepts, source, licence, trim=trim)


def drawings_of_fluent(
    files: Mapping[str, bytes], concepts: Mapping[str, Concept], source: str, *, trim: bool = False
) -> Iterator[Drawing]:
    """As `drawings_of_icon_set`, of SVG files of a style of Fluent: `NAME.svg`, or `NAME-default.svg` of several."""
    pictures = {}
    for code, concept in concepts.items():
        stem = re.sub(r"[^a-z0-9]+", "-", re.sub("['’]", "", concept.name.lower())).strip("-")
        content = files.get(f"{stem}.svg") or files.get(f"{stem}-default.svg")
        if content is not None:
            pictures[code] = content.decode()
    yield from _drawings_by_code(pictures, concepts, source, "MIT", trim=trim)


def _drawings_by_code(
    pictures: Mapping[str, str | bytes],
    concepts: Mapping[str, Concept],
    source: str,
    licence: str,
    *,
    trim: bool,
) -> Iterator[Drawing]:
    for code in sorted(pictures.keys() & concepts.keys()):
        picture, concept = pictures[code], concepts[code]
        yield Drawing(
            name=concept.name,
            keywords=concept.keywords,
            source=source,
            licence=licence,
            concept=code,
            render=partial(rendered_svg, picture, trim=trim)
            if isinstance(picture, str)
            else partial(opened_picture, picture, trim=trim),
        )
