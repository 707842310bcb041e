"""Retrieval tasks that a set of samples poses: who searches, among what, and what would be right."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sightwire.errors import InvalidInputError
from sightwire_trainer.data.samples import SampleSource
from sightwire_trainer.evaluation.directions import Direction


@dataclass(frozen=True, slots=True)
class Captions:
    """Texts as one side of a task."""

    texts: tuple[str, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """What people call each of them."""
        return self.texts

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True, slots=True)
class Documents:
    """Pictures, or the documents of text-text pairs, as one side of a task; they are read when they are encoded."""

    samples: SampleSource
    #: Which samples, in order.
    numbers: tuple[int, ...]
    #: What people call each of them: their names.
    labels: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.numbers)


@dataclass(frozen=True, slots=True)
class RetrievalTask:
    """Queries, candidates, and the candidates that answer each query."""

    direction: Direction
    #: The set or the sets, for reports.
    dataset: str
    queries: Captions | Documents
    candidates: Captions | Documents
    #: Rows of the candidates, for each query at least one.
    relevant: tuple[tuple[int, ...], ...]
    #: int64 [queries]: the candidate that is the query itself and does not count, or -1; None if there is none at all.
    itself: NDArray[np.int64] | None = None


def text_to_image_task(samples: SampleSource) -> RetrievalTask:
    """The distinct names of the set search among its pictures (or documents); right is each of that name."""
    names, documents = _names_and_documents(samples)
    captions = Captions(tuple(names))
    direction = Direction.TEXT_TO_TEXT if _has_texts(samples) else Direction.TEXT_TO_IMAGE
    return RetrievalTask(direction, samples.name, captions, documents, tuple(map(tuple, names.values())))


def image_to_text_task(samples: SampleSource) -> RetrievalTask:
    """Each picture searches among the distinct names of the set; right is its own."""
    names, documents = _names_and_documents(samples)
    places = {name: place for place, name in enumerate(names)}
    relevant = tuple((places[name],) for name in documents.labels)
    return RetrievalTask(Direction.IMAGE_TO_TEXT, samples.name, documents, Captions(tuple(names)), relevant)


def image_to_image_task(queries: SampleSource, candidates: SampleSource | None = None) -> RetrievalTask:
    """Pictures search among those of another set; right is each of the same concept.

    Without `candidates` they search among the others of their own set. Pictures whose concept no candidate shows do not
    search; all candidates can be found, whether or not they answer anybody.

    Raises:
        InvalidInputError: no picture has a concept that a candidate shows.
    """
    among = queries if candidates is None else candidates
    asking = [(sample.name, sample.concept) for sample in queries]
    found = [(sample.name, sample.concept) for sample in among]
    rows_by_concept = _rows_by(concept for _, concept in found)
    pairs: list[tuple[int, tuple[int, ...]]] = []
    for number, (_, concept) in enumerate(asking):
        rows = rows_by_concept.get(concept, []) if concept else []
        answers = tuple(row for row in rows if candidates is not None or row != number)
        if answers:
            pairs.append((number, answers))
    dataset = queries.name if candidates is None else f"{queries.name} to {among.name}"
    if not pairs:
        raise InvalidInputError(f"{dataset}: no two pictures show the same concept, so that none can find another")
    numbers = tuple(number for number, _ in pairs)
    return RetrievalTask(
        Direction.IMAGE_TO_IMAGE,
        dataset,
        Documents(queries, numbers, tuple(asking[number][0] for number in numbers)),
        Documents(among, tuple(range(len(found))), tuple(name for name, _ in found)),
        tuple(answers for _, answers in pairs),
        np.array(numbers, np.int64) if candidates is None else None,
    )


def tasks_of(samples: SampleSource, directions: Iterable[Direction] = ()) -> list[RetrievalTask]:
    """The tasks within one set: those of `directions`, or all that need no concepts."""
    _check_not_empty(samples)
    if _has_texts(samples):
        return [text_to_image_task(samples)]
    wanted = tuple(directions) or (Direction.TEXT_TO_IMAGE, Direction.IMAGE_TO_TEXT)
    return [_task_within(samples, direction) for direction in wanted]


def _task_within(samples: SampleSource, direction: Direction) -> RetrievalTask:
    if direction is Direction.IMAGE_TO_TEXT:
        return image_to_text_task(samples)
    if direction is Direction.IMAGE_TO_IMAGE:
        return image_to_image_task(samples)
    return text_to_image_task(samples)


def _names_and_documents(samples: SampleSource) -> tuple[dict[str, list[int]], Documents]:
    """The rows of each name, and all documents."""
    _check_not_empty(samples)
    labels = tuple(sample.name for sample in samples)
    return _rows_by(labels), Documents(samples, tuple(range(len(labels))), labels)


def _rows_by(keys: Iterable[str]) -> dict[str, list[int]]:
    rows: dict[str, list[int]] = {}
    for row, key in enumerate(keys):
        rows.setdefault(key, []).append(row)
    return rows


def _has_texts(samples: SampleSource) -> bool:
    return samples[0].image is None


def _check_not_empty(samples: SampleSource) -> None:
    if not len(samples):
        raise InvalidInputError(f"{samples.name} has no samples to measure by")
