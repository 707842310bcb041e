"""Which label a vector is nearest to. Pure; texts and labels were embedded into one space."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sightwire_orchestrator.tasks.vectors import Vectors

_SMALLEST_NORM = 1e-12


@dataclass(frozen=True, slots=True)
class LabelChoice:
    """What was chosen for one input; labels are in descending order of their cosine."""

    #: All that were chosen: those above the threshold where several may be, else one or none.
    labels: tuple[str, ...]
    #: Cosine of each label with the input, -1 to 1.
    scores: dict[str, float]
    #: Softmax of the cosines; they sum to 1.
    probabilities: dict[str, float]


def choose_labels(
    inputs: Vectors,
    descriptions: Mapping[str, Vectors],
    *,
    threshold: float | None,
    several: bool,
    temperature: float,
) -> list[LabelChoice]:
    """A choice for each input.

    Args:
        inputs: float32 [inputs, dimension].
        descriptions: of each label, float32 [descriptions, dimension]; a label is the mean of their directions.
        threshold: least cosine of a label that is chosen.
        several: choose all labels that reach the threshold instead of the best one.
        temperature: by which cosines are divided before the softmax.
    """
    names = list(descriptions)
    prototypes = _directions(np.stack([_directions(rows).mean(axis=0) for rows in descriptions.values()]))
    cosines = _directions(inputs) @ prototypes.T
    logits = cosines / temperature
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    return [
        _choice(names, row.tolist(), share.tolist(), threshold=threshold, several=several)
        for row, share in zip(cosines, shares, strict=True)
    ]


def _choice(
    names: Sequence[str], cosines: Sequence[float], shares: Sequence[float], *, threshold: float | None, several: bool
) -> LabelChoice:
    order = sorted(range(len(names)), key=lambda index: -cosines[index])
    reaching = [index for index in order if threshold is None or cosines[index] >= threshold]
    chosen = reaching if several else reaching[:1]
    return LabelChoice(
        tuple(names[index] for index in chosen),
        {names[index]: cosines[index] for index in order},
        {names[index]: shares[index] for index in order},
    )


def _directions(vectors: Vectors) -> Vectors:
    """Rows of length 1; a row of zeros stays one."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    directions: Vectors = vectors / np.maximum(norms, _SMALLEST_NORM)
    return directions
