"""Reads every sample once before a training: whether it can be read, and what it is compared and counted by."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from sightwire.errors import CorruptDataError, InvalidInputError
from sightwire_trainer.data.concepts import concept_key, scattered_number
from sightwire_trainer.data.perceptual_hashes import perceptual_hash
from sightwire_trainer.data.pictures import upright_picture
from sightwire_trainer.data.samples import Sample, SampleSource

_SAMPLES_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class ExaminedSample:
    """What stays in memory of a sample; hashes are of 64 bits."""

    #: In its source.
    number: int
    key: str
    concept: str
    name_hash: int
    origin: str
    licence: str
    #: Of the picture as it looks, or of the text; None for the other kind.
    picture_hash: int | None
    text_hash: int | None
    #: Of name, keywords, description and origin; None unless it has an origin, and more than a name to be known by.
    captions_hash: int | None


@dataclass(frozen=True, slots=True)
class Examination:
    """The samples of a source that can be read, in its order, and what is wrong with the others."""

    samples: tuple[ExaminedSample, ...]
    faults: tuple[str, ...]


def examine(source: SampleSource, *, workers: int, skip_corrupt: bool) -> Examination:
    """Reads and decodes all samples, with `workers` threads (0: none beside this one).

    Raises:
        CorruptDataError: a sample cannot be read, unless `skip_corrupt`; the message names source and key.
    """
    samples: list[ExaminedSample] = []
    faults: list[str] = []
    for examined in _each(source, workers):
        if isinstance(examined, ExaminedSample):
            samples.append(examined)
            continue
        if not skip_corrupt:
            raise examined
        faults.append(examined.detail)
    return Examination(tuple(samples), tuple(faults))


def _each(source: SampleSource, workers: int) -> Iterator[ExaminedSample | CorruptDataError]:
    ranges = [
        range(begin, min(begin + _SAMPLES_AT_ONCE, len(source))) for begin in range(0, len(source), _SAMPLES_AT_ONCE)
    ]
    if not workers:
        for numbers in ranges:
            yield from _examined(source, numbers)
        return
    with ThreadPoolExecutor(workers, thread_name_prefix="examination") as threads:
        for examined in threads.map(lambda numbers: _examined(source, numbers), ranges):
            yield from examined


def _examined(source: SampleSource, numbers: Iterable[int]) -> list[ExaminedSample | CorruptDataError]:
    examined: list[ExaminedSample | CorruptDataError] = []
    for number in numbers:
        try:
            examined.append(_examined_sample(source[number], number, source.name))
        except CorruptDataError as error:
            examined.append(error)
    return examined


def _examined_sample(sample: Sample, number: int, source: str) -> ExaminedSample:
    picture_hash = None
    if sample.image is not None:
        try:
            picture_hash = perceptual_hash(upright_picture(sample.image))
        except InvalidInputError as error:
            raise CorruptDataError(f"{source}, {sample.key}: {error.detail}") from error
    captions = (sample.origin, sample.name, sample.description, *sorted(sample.keywords))
    is_known_by_captions = bool(sample.origin and (sample.keywords or sample.description))
    return ExaminedSample(
        number=number,
        key=sample.key,
        concept=concept_key(sample),
        name_hash=scattered_number(_normalised(sample.name)),
        origin=sample.origin,
        licence=sample.licence,
        picture_hash=picture_hash,
        text_hash=None if sample.text is None else scattered_number(_normalised(sample.text)),
        captions_hash=scattered_number("\n".join(map(_normalised, captions))) if is_known_by_captions else None,
    )


def _normalised(text: str) -> str:
    return " ".join(text.casefold().split())
