"""More styles of the concepts of training, all public domain, MIT or Apache-2.0, and nothing of what is held out.

Left out are the concepts that are kept for evaluation, by their code and by their names; and every picture that is
nearly one of an evaluation set.
"""

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from sightwire_trainer.datasets.clipart import ClipArtPackages
from sightwire_trainer.datasets.drawings import Drawing
from sightwire_trainer.datasets.emoji_drawings import drawings_of_files, drawings_of_fluent
from sightwire_trainer.datasets.flags import drawings_of_flags
from sightwire_trainer.datasets.icon_drawings import drawings_of_named_icons
from sightwire_trainer.datasets.openclipart import drawings_of_clip_art
from sightwire_trainer.datasets.splits import TEST_OPENCLIPART, TRAIN, read_splits

#: Of the Open Clip Art Library: what has names that say little, such as icons of programs and series of shapes.
_FOLDERS_LEFT_OUT: Final = ("computer/icons/", "shapes/", "special/", "recreation/games/cards/", "unsorted/")

DrawingsOfStyle = Callable[[ClipArtPackages], Iterator[Drawing]]


def _fluent(folder: str, source: str, packages: ClipArtPackages) -> Iterator[Drawing]:
    return drawings_of_fluent(packages.files("fluentui-emoji", f"icons/{folder}"), packages.training_concepts, source)


def _fluent_3d(packages: ClipArtPackages) -> Iterator[Drawing]:
    # The package has pictures of other origins too, such as countries' flags: only what Microsoft drew is known as MIT.
    drawn = {drawing.concept for drawing in _fluent("modern", "fluent", packages)}
    concepts = {code: concept for code, concept in packages.training_concepts.items() if code in drawn}
    return drawings_of_files(
        packages.files("@lobehub/fluent-emoji-3d", "assets"), concepts, "fluent-3d", "MIT", trim=True
    )


def _icons(name: str, source: str, variant: str, packages: ClipArtPackages) -> Iterator[Drawing]:
    return drawings_of_named_icons(packages.icons(name), packages.names, packages.unseen_names, source, variant=variant)


def _flags(name: str, source: str, suffix: str, packages: ClipArtPackages) -> Iterator[Drawing]:
    return drawings_of_flags(packages.icons(name), packages.training_concepts, source, suffix=suffix)


def _more_clip_art(packages: ClipArtPackages) -> Iterator[Drawing]:
    """What the fixed sets leave out, less all that is named as a held-out picture is, or as an unseen concept."""
    splits = read_splits()
    listed = {entry.identity for name in (TRAIN, TEST_OPENCLIPART) for entry in splits[name]}
    clip_art = packages.clip_art
    held_out = {_series(entry.name or clip_art[entry.identity].name) for entry in splits[TEST_OPENCLIPART]}
    wanted = [
        path
        for path, art in sorted(clip_art.items())
        if path not in listed
        and not path.startswith(_FOLDERS_LEFT_OUT)
        and sum(letter.isalpha() for letter in art.name) >= 3
        and _series(art.name) not in held_out
        and not any(packages.unseen_names.include(name) for name in (art.name, *art.keywords))
    ]
    drawings = drawings_of_clip_art(clip_art, packages.clip_art_pictures.items(), wanted)
    return (drawings[path] for path in wanted if path in drawings)


def _series(name: str) -> str:
    return re.sub(r"[\d\W]+", " ", name).strip()


#: The drawings of each style, by the name of its source.
STYLES: Final[dict[str, DrawingsOfStyle]] = {
    "fluent-flat": partial(_fluent, "flat", "fluent-flat"),
    "fluent-high-contrast": partial(_fluent, "high-contrast", "fluent-high-contrast"),
    "fluent-3d": _fluent_3d,
    "noto-v1": partial(_icons, "noto-v1", "noto-v1", ""),
    "fxemoji": partial(_icons, "fxemoji", "fxemoji", ""),
    "openclipart-more": _more_clip_art,
    "circle-flags": partial(_flags, "circle-flags", "circle-flags", ""),
    "flag-icons": partial(_flags, "flag", "flag-icons", "-4x3"),
    "icon-park": partial(_icons, "icon-park", "icon-park", ""),
    "mdi": partial(_icons, "mdi", "mdi", ""),
    "phosphor": partial(_icons, "ph", "phosphor", ""),
    "phosphor-duotone": partial(_icons, "ph", "phosphor-duotone", "-duotone"),
    "phosphor-fill": partial(_icons, "ph", "phosphor-fill", "-fill"),
    "tabler": partial(_icons, "tabler", "tabler", ""),
    "tabler-filled": partial(_icons, "tabler", "tabler-filled", "-filled"),
    "flat-color-icons": partial(_icons, "flat-color-icons", "flat-color-icons", ""),
    "flat-ui": partial(_icons, "flat-ui", "flat-ui", ""),
    "fluent-color": partial(_icons, "fluent-color", "fluent-color", "-(32|48)"),
    "maki": partial(_icons, "maki", "maki", ""),
    "marketeq": partial(_icons, "marketeq", "marketeq", ""),
}
