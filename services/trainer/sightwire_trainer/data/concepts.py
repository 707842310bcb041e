"""Which samples are of one concept: positives of each other, and in the same part of a split."""

import hashlib

from sightwire_trainer.data.samples import Sample


def concept_key(sample: Sample) -> str:
    """What samples of one concept have in common: the concept, else the name, as equal captions cannot be told apart.

    A concept and a name that read the same are still two.
    """
    return f"concept {sample.concept}" if sample.concept else f"name {sample.name.casefold()}"


def concept_number(sample: Sample) -> int:
    """A number of 63 bits for the concept, the same in every run and rank."""
    return scattered_number(concept_key(sample)) >> 1


def choose_concepts(keys: set[str], share: float) -> set[str]:
    """A share of concepts, at least one unless the share is 0, that looks random but is always the same.

    No seed moves it, so that runs with several seeds are compared on the same samples; and a concept that is added
    changes little.
    """
    if not share or not keys:
        return set()
    ranked = sorted(keys, key=lambda key: (scattered_number(key), key))
    return set(ranked[: max(1, round(share * len(keys)))])


def scattered_number(text: str) -> int:
    """64 bits of a hash of the text, the same on every machine."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
