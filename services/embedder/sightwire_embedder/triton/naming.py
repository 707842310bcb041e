"""Under which names Triton serves a bundle's models."""

import re
from collections.abc import Mapping
from typing import Final

from sightwire.bundles import BundleSpec

TEXT_ENCODER: Final = "text_encoder"
DOCUMENT_ENCODER: Final = "document_encoder"
IMAGE_ENCODER: Final = "image_encoder"
DETECTOR: Final = "detector"
ENSEMBLE: Final = "ensemble"

#: Names that clients know already.
_KNOWN_NAMES: Final[Mapping[tuple[str, str], str]] = {("mobileclip2-s2", ENSEMBLE): "yolo_mobileclip_ensemble"}
#: Of bundles whose models' names do not tell it, so that the first of a name has short ones.
_FIRST_VERSION: Final = "1"


def model_name(spec: BundleSpec, role: str) -> str:
    """The name of the model with a role in a bundle: what its `triton` section says, else its own name and the role's.

    Two bundles have different names unless they differ in punctuation alone, so that one server can serve both while
    one takes the other's place.
    """
    chosen: str | None = getattr(spec.triton, role)
    if chosen is not None:
        return chosen
    known = _KNOWN_NAMES.get((spec.name, role))
    if known is not None:
        return known
    version = [] if spec.version == _FIRST_VERSION else [spec.version]
    return "_".join(re.sub(r"[^a-z0-9]+", "_", part) for part in (spec.name, *version, role))
