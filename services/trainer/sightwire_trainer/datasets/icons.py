"""Sets of icons in the JSON format of Iconify."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sightwire.errors import CorruptDataError

_LICENCES = {"MIT": "MIT", "Apache-2.0": "Apache-2.0", "CC0-1.0": "public domain"}
_SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
    'viewBox="{left} {top} {width} {height}">{body}</svg>'
)


@dataclass(frozen=True, slots=True)
class IconSet:
    """Icons as SVG by name, in the set's order, and the code points of those that are characters."""

    icons: Mapping[str, str]
    #: Name of an icon by code points, as `1f9d1-200d-2695`.
    characters: Mapping[str, str]
    #: As in a sample's `licence`.
    licence: str


def read_icon_set(files: Mapping[str, bytes]) -> IconSet:
    """The set in an npm package `@iconify-json/…`, of which these are the files.

    Icons in the colour of the text are black. Aliases and icons that are not to be shown any more are left out.

    Raises:
        CorruptDataError: files are missing.
        ValueError: the licence is none that allows to ship what is trained on the icons.
    """
    missing = [name for name in ("icons.json", "info.json") if name not in files]
    if missing:
        raise CorruptDataError(f"expected a set of icons with icons.json and info.json, there is no {missing[0]}")
    licence = json.loads(files["info.json"])["license"]["spdx"]
    if licence not in _LICENCES:
        raise ValueError(f"expected a set under {', '.join(_LICENCES)}, got {licence}")
    content = json.loads(files["icons.json"])
    sizes = {"left": content.get("left", 0), "top": content.get("top", 0)}
    sizes |= {side: content.get(side, 16) for side in ("width", "height")}
    return IconSet(
        icons={name: _svg(icon, sizes) for name, icon in content["icons"].items() if not icon.get("hidden")},
        characters=json.loads(files.get("chars.json", b"{}")),
        licence=_LICENCES[licence],
    )


def _svg(icon: Mapping[str, Any], sizes: Mapping[str, float]) -> str:
    placed = {name: icon.get(name, of_set) for name, of_set in sizes.items()}
    return _SVG.format(**placed, body=icon["body"].replace("currentColor", "#000000"))
