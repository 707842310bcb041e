"""The names of all concepts that a run trains on, which its documents must tell their captions from."""

from collections.abc import Iterable

import torch

from sightwire_trainer.data.concepts import concept_number
from sightwire_trainer.data.samples import Sample
from sightwire_trainer.models.two_tower import TwoTowerModel
from sightwire_trainer.objectives.losses import Candidates


@torch.no_grad()
def names_of_concepts(samples: Iterable[Sample], model: TwoTowerModel) -> Candidates:
    """Each name of each concept, as the model's text tower, which is frozen, encodes it. Reads all samples.

    A name that several concepts have is left out: it would be a wrong answer for each of them.
    """
    concepts_of: dict[str, set[int]] = {}
    for sample in samples:
        concepts_of.setdefault(sample.name, set()).add(concept_number(sample))
    chosen = {name: concepts for name, concepts in concepts_of.items() if len(concepts) == 1}
    vectors = model.encode_texts(list(chosen))
    numbers = [number for concepts in chosen.values() for number in concepts]
    return Candidates(vectors, torch.tensor(numbers, dtype=torch.int64, device=vectors.device))
