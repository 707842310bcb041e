"""Drawings of icons that are known by name alone: those whose name means a concept of training."""

import re
from collections.abc import Iterator
from functools import partial

from sightwire_trainer.datasets.drawings import Drawing
from sightwire_trainer.datasets.emoji import Concept, is_unseen
from sightwire_trainer.datasets.icons import IconSet
from sightwire_trainer.datasets.naming import ConceptNames, UnseenNames
from sightwire_trainer.datasets.rendering import rendered_svg


def drawings_of_named_icons(
    icons: IconSet, names: ConceptNames, unseen: UnseenNames, source: str, *, variant: str = ""
) -> Iterator[Drawing]:
    """A drawing for each icon that means a concept of training, at most one a concept, in the order of the codes.

    Of a set with variants of each icon, such as `NAME-filled`, only those are taken whose names end in `variant`, a
    regular expression. An icon whose name may as well mean an unseen concept is left out.
    """
    drawn: dict[str, tuple[Concept, str]] = {}
    for icon_name, svg in icons.icons.items():
        bare_name = re.sub(rf"{variant}$", "", icon_name)
        if variant and bare_name == icon_name:
            continue
        concept = training_concept(bare_name, names, unseen)
        if concept is not None and (concept.code not in drawn or names.named(bare_name)):
            drawn[concept.code] = (concept, svg)
    for code in sorted(drawn):
        concept, svg = drawn[code]
        yield icon_drawing(icons, svg, concept, source)


def icon_drawing(icons: IconSet, svg: str, concept: Concept, source: str) -> Drawing:
    """An icon of a set as a drawing of a concept."""
    return Drawing(
        name=concept.name,
        keywords=concept.keywords,
        source=source,
        licence=icons.licence,
        concept=concept.code,
        render=partial(rendered_svg, svg, trim=True),
    )


def training_concept(name: str, names: ConceptNames, unseen: UnseenNames) -> Concept | None:
    """The concept of training that the name means; None for any other, and for one that may mean an unseen concept."""
    concept = names.meant_by(name)
    if concept is None or is_unseen(concept.code):
        return None
    # `snow` may be a name of several: only a concept's very name says that nothing else is drawn.
    if names.named(name) is None and unseen.include(name):
        return None
    return concept
