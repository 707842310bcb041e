"""What an imported model is to be called, and whose it is."""

import re
from dataclasses import dataclass
from typing import Final

_LONGEST: Final = 64


@dataclass(frozen=True, slots=True)
class BundleIdentity:
    """The members of a bundle that no file tells."""

    name: str
    version: str
    #: Vectors are comparable only within one space.
    space: str
    licence: str
    description: str


def identity_of(
    model: str, *, name: str, version: str, space: str | None = None, licence: str = "not stated"
) -> BundleIdentity:
    """An identity whose space, unless it is given, is named by name and version; `model` is for the description."""
    return BundleIdentity(name, version, space or plain_name(f"{name}-{version}"), licence, f"Imported from {model}")


def plain_name(text: str) -> str:
    """Small letters, digits and hyphens, as names of bundles and spaces are made of."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:_LONGEST].strip("-") or "imported"
