"""What the command line names: models to measure, and the sets to measure them by."""

import re
from pathlib import Path

import numpy as np

from sightwire.bundles.bundle_encoder import BundleEncoder
from sightwire.errors import InvalidInputError
from sightwire_trainer.configuration import FolderSource, ModelConfiguration, TarSource
from sightwire_trainer.data.combining import SelectedSource
from sightwire_trainer.data.samples import SampleSource
from sightwire_trainer.data.sources import open_source
from sightwire_trainer.evaluation.baselines import PixelEncoder, random_trunk
from sightwire_trainer.evaluation.encoding import Encoders

#: Names of the baselines, in the place of a bundle's folder.
PIXELS = "pixels"
RANDOM_TRUNK = "random-trunk"


def open_encoders(model: str) -> tuple[str, Encoders]:
    """A name for reports, and the encoders of a bundle's folder, of `pixels` or of `random-trunk`.

    Raises:
        BundleError: the folder is no whole bundle.
    """
    if model == PIXELS:
        return PIXELS, PixelEncoder()
    if model == RANDOM_TRUNK:
        return RANDOM_TRUNK, random_trunk(ModelConfiguration())
    encoder = BundleEncoder.open(Path(model))
    return encoder.name, encoder


def open_set(path: Path) -> SampleSource:
    """The samples in a tar, or of a table of captions (CSV, JSONL, Parquet) beside its pictures."""
    if path.suffix == ".tar":
        return open_source(TarSource(path=path))
    return open_source(FolderSource(path=path.parent, captions=path))


def of_origin(samples: SampleSource, origin: str) -> SampleSource:
    """The samples of one origin.

    Raises:
        InvalidInputError: there are none; the message has the origins that there are.
    """
    origins = [sample.origin for sample in samples]
    numbers = np.flatnonzero(np.array([found == origin for found in origins]))
    if not len(numbers):
        known = ", ".join(sorted(set(origins)))
        raise InvalidInputError(f"{samples.name} has no samples of origin {origin!r}, only of {known}")
    return SelectedSource(f"{samples.name} ({origin})", samples, numbers)


def without_names(samples: SampleSource, pattern: str) -> SampleSource:
    """The samples whose name has no match of a regular expression.

    Raises:
        InvalidInputError: it is none, or it matches all names.
    """
    try:
        left_out = re.compile(pattern)
    except re.error as error:
        raise InvalidInputError(
            f"expected a regular expression of names to leave out, got {pattern!r}: {error}"
        ) from error
    numbers = np.flatnonzero(np.array([left_out.search(sample.name) is None for sample in samples]))
    if not len(numbers):
        raise InvalidInputError(f"nothing is left of {samples.name} without the names that match {pattern!r}")
    return SelectedSource(f"{samples.name} without {pattern}", samples, numbers)
