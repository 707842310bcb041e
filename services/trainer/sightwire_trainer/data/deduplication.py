"""Which samples must not be trained on, since samples that measure the training are nearly the same."""

from collections.abc import Sequence
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from sightwire_trainer.data.examination import ExaminedSample
from sightwire_trainer.data.perceptual_hashes import have_near


class Likeness(StrEnum):
    """What a sample has in common with one that measures."""

    PICTURE = "nearly the same picture"
    TEXT = "the same text"
    CAPTIONS = "the same captions from the same origin"


def find_likenesses(
    samples: Sequence[ExaminedSample], measuring: Sequence[ExaminedSample], *, bits: int
) -> list[Likeness | None]:
    """For each of `samples` what it has in common with any of `measuring`; pictures whose hashes differ in at most
    `bits` of 64 bits are nearly the same.
    """
    near = _have_near_pictures(samples, measuring, bits)
    texts = {sample.text_hash for sample in measuring} - {None}
    captions = {sample.captions_hash for sample in measuring} - {None}
    return [
        _likeness(is_near, sample.text_hash in texts, sample.captions_hash in captions)
        for sample, is_near in zip(samples, near.tolist(), strict=True)
    ]


def _likeness(has_near_picture: bool, has_same_text: bool, has_same_captions: bool) -> Likeness | None:
    if has_near_picture:
        return Likeness.PICTURE
    if has_same_text:
        return Likeness.TEXT
    return Likeness.CAPTIONS if has_same_captions else None


def _have_near_pictures(
    samples: Sequence[ExaminedSample], measuring: Sequence[ExaminedSample], bits: int
) -> NDArray[np.bool_]:
    hashes, others = (
        np.array([0 if sample.picture_hash is None else sample.picture_hash for sample in part], np.uint64)
        for part in (samples, measuring)
    )
    are_pictures, others_are = (
        np.array([sample.picture_hash is not None for sample in part], np.bool_) for part in (samples, measuring)
    )
    return have_near(hashes, others[others_are], bits) & are_pictures
