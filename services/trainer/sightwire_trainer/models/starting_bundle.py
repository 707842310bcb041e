"""The bundle that training starts from: its text encoder, tokenizer, detector and image encoder."""

import os
from pathlib import Path

from sightwire.bundles import Bundle, load_bundle

_VARIABLE = "SIGHTWIRE_MODEL_BUNDLE"
_DEFAULT_FOLDER = Path(".models/sightwire-default-2")


def starting_folder(folder: Path | None) -> Path:
    """`folder`, else that of SIGHTWIRE_MODEL_BUNDLE, else the default bundle's."""
    return (folder or Path(os.environ.get(_VARIABLE, _DEFAULT_FOLDER))).absolute()


def open_starting_bundle(folder: Path | None) -> Bundle:
    """The verified bundle in `starting_folder(folder)`.

    Raises:
        BundleError: there is none, or a file of it is not the published one.
    """
    return load_bundle(starting_folder(folder))
