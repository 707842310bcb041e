"""Documents of one concept attract each other: as the definition in loops says, and in batches that have them."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sightwire_trainer.objectives.concept_contrast import concept_contrast_loss
from torch.nn import functional


def unit_rows(rows, generator):
    return functional.normalize(torch.randn(rows, 3, dtype=torch.float64, generator=generator), dim=-1)


def naive_loss(documents, concepts, temperature):
    """The definition, one document at a time."""
    losses = []
    for row, document in enumerate(documents):
        others = [other for other in range(len(documents)) if other != row]
        exponentials = {other: math.exp(float(document @ documents[other]) / temperature) for other in others}
        same = [other for other in others if concepts[other] == concepts[row]]
        if same:
            losses.append(
                -sum(math.log(exponentials[other] / sum(exponentials.values())) for other in same) / len(same)
            )
    return sum(losses) / len(losses) if losses else 0.0


@settings(max_examples=40, deadline=None)
@given(batch=st.integers(1, 7), concept_count=st.integers(1, 6), seed=st.integers(0, 1000))
def test_it_is_its_definition(batch, concept_count, seed):
    generator = torch.Generator().manual_seed(seed)
    documents = unit_rows(batch, generator)
    concepts = torch.randint(0, concept_count, (batch,), generator=generator)

    loss = concept_contrast_loss(documents, concepts, temperature=0.2)

    assert float(loss) == pytest.approx(naive_loss(documents, concepts.tolist(), 0.2), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("concepts", [[0, 0, 1, 2], [0, 1, 2, 3]], ids=["some", "none"])
def test_gradients_are_those_of_finite_differences(concepts):
    documents = unit_rows(4, torch.Generator().manual_seed(0)).requires_grad_()

    def loss(documents):
        return concept_contrast_loss(functional.normalize(documents, dim=-1), torch.tensor(concepts))

    assert torch.autograd.gradcheck(loss, (documents,))
