"""Which caption of a sample an epoch sees."""

import zlib

import numpy as np

from sightwire.errors import InvalidInputError
from sightwire_trainer.configuration import CaptionConfiguration
from sightwire_trainer.data.samples import Sample


def choose_caption(sample: Sample, configuration: CaptionConfiguration, random: np.random.Generator) -> str:
    """A form of caption by its share, with some of the keywords; what the sample lacks is its name instead.

    Raises:
        InvalidInputError: no form of caption has a share.
    """
    forms = ("name", "name_and_keywords", "keywords", "description")
    shares = np.array([getattr(configuration, form) for form in forms])
    if not shares.sum():
        raise InvalidInputError(f"expected a share of captions for one of {', '.join(forms)}, all are 0")
    form = forms[int(random.choice(len(forms), p=shares / shares.sum()))]
    if form == "description":
        return sample.description or sample.name
    if form == "name" or not sample.keywords:
        return sample.name
    if configuration.variants:
        random = np.random.default_rng((zlib.crc32(sample.key.encode()), int(random.integers(configuration.variants))))
    keywords = _some(sample.keywords, configuration.keywords_at_most, random)
    return ", ".join(keywords if form == "keywords" else (sample.name, *keywords))


def _some(keywords: tuple[str, ...], at_most: int, random: np.random.Generator) -> tuple[str, ...]:
    chosen = random.permutation(len(keywords))[:at_most]
    return tuple(keywords[number] for number in chosen)
