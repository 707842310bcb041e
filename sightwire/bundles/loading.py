"""Reads a bundle's folder and verifies every file of it before anything is served from it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import yaml
from pydantic import ValidationError

from sightwire.bundles.spec import BundleFile, BundleSpec
from sightwire.errors import ConfigurationError

BUNDLE_FILE = "bundle.yaml"


class BundleError(ConfigurationError):
    """A bundle that is incomplete, altered or badly described; it must not be served."""

    code: ClassVar[str] = "bad-bundle"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A described folder of models."""

    folder: Path
    spec: BundleSpec

    def path(self, file: str) -> Path:
        """Where `file`, named as in the spec, lies."""
        return self.folder / file


def load_bundle(folder: Path, *, verify: bool = True) -> Bundle:
    """The bundle in `folder`.

    Reads all files once to compare their sha256 unless `verify` is false. Raises `BundleError` when `bundle.yaml` is
    missing or invalid, or a file is missing or is not the one that was published.
    """
    spec = read_spec(folder / BUNDLE_FILE)
    if verify:
        for file in spec.files:
            _verify_file(folder, file)
    return Bundle(folder, spec)


def read_spec(path: Path) -> BundleSpec:
    """The spec in the YAML file `path`. Raises `BundleError` when it is missing or invalid."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BundleError(
            f"cannot read {path}: {error.strerror}. A bundle is a folder with a {BUNDLE_FILE}; "
            "`make setup` builds the default one"
        ) from error
    try:
        return BundleSpec.model_validate(yaml.safe_load(text))
    except (yaml.YAMLError, ValidationError) as error:
        raise BundleError(f"{path} does not describe a bundle: {error}") from error


def _verify_file(folder: Path, file: BundleFile) -> None:
    path = folder / file.path
    try:
        found = file_sha256(path)
    except OSError as error:
        raise BundleError(f"bundle file {path}: expected sha256 {file.sha256}, found {error.strerror}") from error
    if found != file.sha256:
        raise BundleError(
            f"bundle file {path}: expected sha256 {file.sha256}, found {found}; "
            "the file was altered or is of another version, so build or fetch the bundle again"
        )


def file_sha256(path: Path) -> str:
    """The sha256 of the file's bytes, as 64 hexadecimal digits. Raises `OSError` when it cannot be read."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
