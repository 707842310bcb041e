"""What is trained on, whatever it comes from: pairs of a document, a picture or a text, and captions that find it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch


@dataclass(frozen=True, slots=True)
class Sample:
    """One document and what is said of it; exactly one of `image` and `text` is there."""

    #: Unique within its source.
    key: str
    #: The caption: what a person would search with.
    name: str
    #: An encoded picture (WebP, PNG, JPEG …), on any background.
    image: bytes | None = None
    #: Of a text-text pair: the text to be found.
    text: str | None = None
    keywords: tuple[str, ...] = ()
    description: str = ""
    #: Samples of one concept are positives of each other; empty: with those of its name.
    concept: str = ""
    #: Where it comes from and under which licence, for the dataset card.
    origin: str = ""
    licence: str = ""


class SampleSource(Protocol):
    """Samples by number, in an order that is the same at each opening, so that a run can be resumed."""

    #: For messages and the dataset card.
    name: str

    def __len__(self) -> int: ...

    def __getitem__(self, number: int) -> Sample:
        """The sample; raises `sightwire.errors.CorruptDataError`, naming file and key, when it cannot be read."""
        ...

    def __iter__(self) -> Iterator[Sample]: ...


@dataclass(frozen=True, slots=True)
class BatchPosition:
    """Which batch comes next: a run resumed here sees what an uninterrupted one would have seen."""

    epoch: int
    #: Batches of the epoch that were taken already.
    batch: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples of one step."""

    #: uint8 [batch, 3, height, width], RGB, not yet augmented; None for text-text pairs.
    images: torch.Tensor | None
    #: The documents of text-text pairs; None for pictures.
    texts: tuple[str, ...] | None
    #: A caption for each sample, chosen among its name, keywords and description for this epoch.
    captions: tuple[str, ...]
    #: int64 [batch]: equal numbers are the same concept.
    concepts: torch.Tensor
    #: Where the batch after this one is.
    following: BatchPosition
