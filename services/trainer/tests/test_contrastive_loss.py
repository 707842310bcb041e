"""The contrastive loss: as its definition in loops says, with true gradients, in one process and in two."""

import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sightwire_trainer.objectives.losses import Candidates, SoftTargets, contrastive_loss
from sightwire_trainer.objectives.temperature import LARGEST_SCALE, Scale
from torch.nn import functional

WORKER = Path(__file__).with_name("gloo_worker.py")


def unit_rows(rows, dimension, generator):
    return functional.normalize(torch.randn(rows, dimension, dtype=torch.float64, generator=generator), dim=-1)


def candidates(rows, dimension, concepts, generator):
    return Candidates(
        unit_rows(rows, dimension, generator),
        torch.randint(0, concepts, (rows,), generator=generator),
    )


def naive_direction(
    queries, vectors, concepts, scale, more, smoothing, captions=None, soft=None, more_has_captions=True
):
    """The definition, one row and one candidate at a time."""
    total = 0.0
    for row, query in enumerate(queries):
        exponentials, wanted, likenesses = [], [], []
        positives = sum(1 for concept in concepts if concept == concepts[row])
        for vector, concept in zip(vectors, concepts, strict=True):
            exponentials.append(math.exp(scale * float(query @ vector)))
            wanted.append(1 / positives if concept == concepts[row] else 0.0)
        if soft:
            likenesses = [math.exp(float(captions[row] @ caption) / soft.temperature) for caption in captions]
        for vector, concept in zip(more.vectors, more.concepts.tolist(), strict=True) if more else ():
            if concept != concepts[row]:
                exponentials.append(math.exp(scale * float(query @ vector)))
                wanted.append(0.0)
                if soft:
                    is_like = math.exp(float(captions[row] @ vector) / soft.temperature) if more_has_captions else 0.0
                    likenesses.append(is_like)
        for number, (exponential, share) in enumerate(zip(exponentials, wanted, strict=True)):
            smoothed = (1 - smoothing) * share + smoothing / len(wanted)
            if soft:
                smoothed = (1 - soft.share) * smoothed + soft.share * likenesses[number] / sum(likenesses)
            total -= smoothed * math.log(exponential / sum(exponentials))
    return total / len(queries)


@settings(max_examples=40, deadline=None)
@given(
    batch=st.integers(1, 6),
    concept_count=st.integers(1, 6),
    more_documents=st.integers(0, 5),
    more_captions=st.integers(0, 5),
    scale=st.floats(1, 30),
    smoothing=st.sampled_from([0.0, 0.1, 1.0]),
    soft=st.sampled_from([None, SoftTargets(0.2), SoftTargets(1.0, 0.5)]),
    seed=st.integers(0, 1000),
)
def test_it_is_its_definition(batch, concept_count, more_documents, more_captions, scale, smoothing, soft, seed):
    generator = torch.Generator().manual_seed(seed)
    documents, captions = unit_rows(batch, 3, generator), unit_rows(batch, 3, generator)
    concepts = torch.randint(0, concept_count, (batch,), generator=generator)
    further_documents = candidates(more_documents, 3, concept_count, generator)
    further_captions = candidates(more_captions, 3, concept_count, generator)

    loss = contrastive_loss(
        documents,
        captions,
        concepts,
        torch.tensor(scale, dtype=torch.float64),
        more_documents=further_documents,
        more_captions=further_captions,
        label_smoothing=smoothing,
        soft_targets=soft,
    )

    numbers = concepts.tolist()
    expected = 0.5 * (
        naive_direction(documents, captions, numbers, scale, further_captions, smoothing, captions, soft)
        + naive_direction(captions, documents, numbers, scale, further_documents, smoothing, captions, soft, False)
    )
    assert float(loss) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_gradients_are_those_of_finite_differences():
    generator = torch.Generator().manual_seed(0)
    concepts = torch.tensor([0, 1, 0, 2])
    more_concepts = torch.tensor([1, 3, 0])

    def loss(documents, captions, scale, further):
        return contrastive_loss(
            functional.normalize(documents, dim=-1),
            functional.normalize(captions, dim=-1),
            concepts,
            scale,
            more_documents=Candidates(functional.normalize(further, dim=-1), more_concepts),
            label_smoothing=0.1,
        )

    inputs = [unit_rows(rows, 3, generator).requires_grad_() for rows in (4, 4, 3)]
    scale = torch.tensor(7.0, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(loss, (inputs[0], inputs[1], scale, inputs[2]))


def test_without_shared_concepts_it_is_the_loss_of_clip():
    generator = torch.Generator().manual_seed(0)
    documents, captions = unit_rows(8, 16, generator), unit_rows(8, 16, generator)
    logits = 10.0 * documents @ captions.T
    rows = torch.arange(8)
    expected = (functional.cross_entropy(logits, rows) + functional.cross_entropy(logits.T, rows)) / 2

    loss = contrastive_loss(documents, captions, rows + 100, torch.tensor(10.0, dtype=torch.float64))

    torch.testing.assert_close(loss, expected)


def test_candidates_of_the_own_concept_change_nothing():
    generator = torch.Generator().manual_seed(0)
    documents, captions = unit_rows(4, 3, generator), unit_rows(4, 3, generator)
    concepts, scale = torch.zeros(4, dtype=torch.int64), torch.tensor(5.0)
    queued = Candidates(unit_rows(9, 3, generator), torch.zeros(9, dtype=torch.int64))

    alone = contrastive_loss(documents, captions, concepts, scale)
    with_queue = contrastive_loss(documents, captions, concepts, scale, more_documents=queued, more_captions=queued)

    torch.testing.assert_close(with_queue, alone)


def test_autocast_does_not_coarsen_it():
    generator = torch.Generator().manual_seed(0)
    documents, captions = (unit_rows(16, 32, generator).float() for _ in range(2))
    exact = contrastive_loss(documents, captions, torch.arange(16), torch.tensor(100.0))
    with torch.autocast("cpu", torch.bfloat16):
        under_autocast = contrastive_loss(documents, captions, torch.arange(16), torch.tensor(100.0))

    assert torch.equal(exact, under_autocast)


@pytest.mark.parametrize(("logarithm", "scale"), [(-3.0, 1.0), (2.0, math.exp(2.0)), (9.0, LARGEST_SCALE)])
def test_temperature_stays_within_its_bounds_and_still_learns(logarithm, scale):
    module = Scale(0.07)
    with torch.no_grad():
        module.logarithm.fill_(logarithm)
    value = module()
    value.backward()

    assert float(value.detach()) == pytest.approx(scale, rel=1e-5)
    assert float(module.logarithm.grad) == pytest.approx(scale, rel=1e-5)


def test_temperature_begins_as_told_and_need_not_learn():
    assert float(Scale(0.07)().detach()) == pytest.approx(1 / 0.07, rel=1e-5)
    assert not Scale(0.07, learn=False)().requires_grad


@pytest.mark.timeout(300)
def test_two_processes_have_the_loss_and_the_gradients_of_one(tmp_path):
    worker = load_worker()
    generator = torch.Generator().manual_seed(3)
    batch = {
        "documents": torch.randn(8, 5, dtype=torch.float64, generator=generator),
        "captions": torch.randn(8, 6, dtype=torch.float64, generator=generator),
        "concepts": torch.tensor([0, 1, 2, 0, 3, 1, 4, 5]),
        "more": unit_rows(3, 4, generator),
        "more_concepts": torch.tensor([0, 9, 5]),
    }
    torch.save(batch, tmp_path / "batch.pt")
    processes = [subprocess.Popen([sys.executable, WORKER, str(rank), tmp_path]) for rank in range(2)]
    try:
        assert [process.wait(timeout=240) for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()
    results = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]

    model = worker.SmallTowers()
    loss = worker.loss_of(model, batch, slice(0, 8))
    loss.backward()

    torch.testing.assert_close((results[0]["loss"] + results[1]["loss"]) / 2, loss.detach())
    for result in results:
        for found, parameter in zip(result["gradients"], model.parameters(), strict=True):
            torch.testing.assert_close(found, parameter.grad)
        assert result["queue"]["documents"][:, 0].tolist() == [0.0] * 4 + [1.0] * 4
        assert torch.equal(result["queue"]["concepts"], batch["concepts"])


def load_worker():
    from importlib import util

    spec = util.spec_from_file_location("gloo_worker", WORKER)
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
