"""What a configuration trains on: all sources opened and read, what must not be seen left out, a card of it all."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sightwire.errors import InvalidInputError
from sightwire_trainer.configuration import DataConfiguration, Source, TrainingConfiguration
from sightwire_trainer.data.card import DatasetCard, LeftOut, SourceCard, count_samples
from sightwire_trainer.data.combining import CombinedSource, SelectedSource
from sightwire_trainer.data.concepts import choose_concepts
from sightwire_trainer.data.deduplication import find_likenesses
from sightwire_trainer.data.examination import Examination, ExaminedSample, examine
from sightwire_trainer.data.samples import SampleSource
from sightwire_trainer.data.sources import StoredSource, open_source

__all__ = ["DatasetCard", "TrainingData", "open_training_data"]

_EXAMPLES = 10


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Samples to train on, samples to tune by, and what they are."""

    train: SampleSource
    validation: SampleSource
    card: DatasetCard
    #: Of `train`, in its order.
    examined: tuple[ExaminedSample, ...]

    @property
    def labels(self) -> NDArray[np.int64]:
        """int64 [samples of `train`], from 0: equal where concepts are."""
        concepts = [sample.concept for sample in self.examined]
        return np.unique(concepts, return_inverse=True)[1].astype(np.int64)


def open_training_data(configuration: TrainingConfiguration, *, cache: Path | None) -> TrainingData:
    """Opens all sources and reads every sample once.

    Samples like those of the held-out sources are neither trained on nor tuned by; those like validation samples are
    not trained on. Without validation sources, whole concepts of the training are kept apart. Collections are
    downloaded into `cache`.

    Raises:
        InvalidInputError: a source does not exist, or nothing is left to train on.
        CorruptDataError: a source, or a sample without `skip_corrupt`, cannot be read; the message names it.
    """
    data = configuration.data
    train, validation, held_out = (
        _Part(name, getattr(data, name), data, cache) for name in ("train", "validation", "held_out")
    )
    left_out = [*train.unreadable(), *validation.unreadable(), *held_out.unreadable()]
    bits = data.near_duplicate_bits

    to_train, like_held_out = _without_likes(train.examination.samples, held_out.examination.samples, bits, "held-out")
    left_out += like_held_out
    if data.validation:
        to_tune, like_held_out = _without_likes(
            validation.examination.samples, held_out.examination.samples, bits, "held-out"
        )
        left_out += like_held_out
        tuned_by = validation.source
    else:
        chosen = choose_concepts({sample.concept for sample in to_train}, data.validation_concepts)
        to_tune = [sample for sample in to_train if sample.concept in chosen]
        to_train = [sample for sample in to_train if sample.concept not in chosen]
        tuned_by = train.source
    to_train, like_validation = _without_likes(to_train, to_tune, bits, "validation")
    left_out += like_validation
    if not to_train:
        raise InvalidInputError(
            f"of {len(train.source):,} samples none is left to train on: "
            f"{'; '.join(f'{part.samples:,} {part.reason}' for part in left_out) or 'all are kept for validation'}"
        )
    card = DatasetCard(
        train=count_samples(to_train),
        validation=count_samples(to_tune),
        sources=(*train.cards(), *validation.cards(), *held_out.cards()),
        left_out=tuple(left_out),
    )
    return TrainingData(
        train=_selected("train", train.source, to_train),
        validation=_selected("validation", tuned_by, to_tune),
        card=card,
        examined=tuple(to_train),
    )


class _Part:
    """The sources of one purpose, opened, put together and examined."""

    def __init__(self, name: str, sources: Sequence[Source], data: DataConfiguration, cache: Path | None) -> None:
        self._name = name
        self._kinds = [source.kind for source in sources]
        self._sources: list[StoredSource] = [open_source(source, cache=cache) for source in sources]
        self.source = CombinedSource(name, self._sources)
        self._examinations = [
            examine(source, workers=data.workers, skip_corrupt=data.skip_corrupt) for source in self._sources
        ]
        self.examination = _joined(self._examinations, [len(source) for source in self._sources])

    def cards(self) -> list[SourceCard]:
        return [
            SourceCard(
                name=source.name,
                kind=kind,
                sha256=source.sha256(),
                part=self._name,
                counts=count_samples(examination.samples),
            )
            for source, kind, examination in zip(self._sources, self._kinds, self._examinations, strict=True)
        ]

    def unreadable(self) -> list[LeftOut]:
        faults = self.examination.faults
        if not faults:
            return []
        return [LeftOut(reason=f"unreadable ({self._name})", samples=len(faults), examples=faults[:_EXAMPLES])]


def _joined(examinations: Sequence[Examination], lengths: Sequence[int]) -> Examination:
    """One examination of sources one after another."""
    samples: list[ExaminedSample] = []
    begin = 0
    for examination, length in zip(examinations, lengths, strict=True):
        samples.extend(replace(sample, number=begin + sample.number) for sample in examination.samples)
        begin += length
    return Examination(tuple(samples), tuple(fault for examination in examinations for fault in examination.faults))


def _without_likes(
    samples: Sequence[ExaminedSample], measuring: Sequence[ExaminedSample], bits: int, measured: str
) -> tuple[list[ExaminedSample], list[LeftOut]]:
    """The samples that are unlike all that measure, and the others by what they have in common with one."""
    kept: list[ExaminedSample] = []
    alike: dict[str, list[str]] = {}
    for sample, likeness in zip(samples, find_likenesses(samples, measuring, bits=bits), strict=True):
        if likeness is None:
            kept.append(sample)
        else:
            alike.setdefault(likeness, []).append(sample.key)
    return kept, [
        LeftOut(reason=f"{likeness} as a {measured} sample", samples=len(keys), examples=tuple(keys[:_EXAMPLES]))
        for likeness, keys in sorted(alike.items())
    ]


def _selected(name: str, source: SampleSource, samples: Sequence[ExaminedSample]) -> SelectedSource:
    return SelectedSource(name, source, np.array([sample.number for sample in samples], np.int64))
