"""Learning from the vectors of other, larger or joined models."""

from collections.abc import Sequence

import torch
from torch.nn import functional


def joined_teachers(teachers: Sequence[torch.Tensor]) -> torch.Tensor:
    """The mean of L2-normalised vectors [batch, dimension] of several models of one space, L2-normalised."""
    return functional.normalize(torch.stack([teacher.float() for teacher in teachers]).mean(dim=0), dim=-1)


def distillation_loss(students: torch.Tensor, teachers: torch.Tensor, *, temperature: float = 0.1) -> torch.Tensor:
    """How far the students' vectors are from the teachers': a scalar, the sum of `cosine_loss` and `relational_loss`.

    Teachers of another space, which shows in another dimension, are followed in their relations alone.

    Args:
        students: [batch, dimension], L2-normalised.
        teachers: [batch, dimension of theirs], L2-normalised; without gradients.
        temperature: of the similarities within the batch.
    """
    relational = relational_loss(students, teachers, temperature=temperature)
    return relational + cosine_loss(students, teachers) if students.shape == teachers.shape else relational


def cosine_loss(students: torch.Tensor, teachers: torch.Tensor) -> torch.Tensor:
    """The mean of 1 - cosine of each L2-normalised student and its teacher, both [batch, dimension]."""
    return 1 - (students * teachers.detach()).sum(dim=1).mean()


def relational_loss(students: torch.Tensor, teachers: torch.Tensor, *, temperature: float) -> torch.Tensor:
    """KL divergence of whom each row is near to in its batch, from the teachers' view of that (Park et al. 2019).

    As distributions over the other rows, softened by `temperature` (Hinton et al. 2015), rather than as distances. Zero
    when the similarities agree; batches of fewer than three rows have no relations and give zero.
    """
    if len(students) < 3:
        return students.sum() * 0.0
    # Under autocast the products would be in half precision.
    with torch.autocast(students.device.type, enabled=False):
        return functional.kl_div(
            _log_nearness(students, temperature),
            _log_nearness(teachers.detach(), temperature),
            reduction="batchmean",
            log_target=True,
        )


def _log_nearness(vectors: torch.Tensor, temperature: float) -> torch.Tensor:
    """Logarithms [batch, batch - 1] of the softmax over each row's similarities to the other rows."""
    values = vectors if vectors.dtype == torch.float64 else vectors.float()
    others = ~torch.eye(len(values), dtype=torch.bool, device=values.device)
    similarities = (values @ values.T)[others].reshape(len(values), len(values) - 1)
    return functional.log_softmax(similarities / temperature, dim=1)
