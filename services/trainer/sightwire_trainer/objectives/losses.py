"""Symmetric InfoNCE with several positives, in the batch or against further candidates."""

from dataclasses import dataclass

import torch
from torch.nn import functional

from sightwire_trainer.objectives.gathering import gather_rows


@dataclass(frozen=True, slots=True)
class Candidates:
    """Vectors, [candidates, dimension], and of which concept each is, int64 [candidates]."""

    vectors: torch.Tensor
    concepts: torch.Tensor

    @staticmethod
    def joined(*parts: "Candidates") -> "Candidates":
        """All of them, one after the other."""
        return Candidates(torch.cat([part.vectors for part in parts]), torch.cat([part.concepts for part in parts]))


def contrastive_loss(
    documents: torch.Tensor,
    captions: torch.Tensor,
    concepts: torch.Tensor,
    scale: torch.Tensor,
    *,
    more_documents: Candidates | None = None,
    more_captions: Candidates | None = None,
    label_smoothing: float = 0.0,
) -> torch.Tensor:
    """How badly documents and captions find each other: a scalar, the mean over both directions and all rows.

    Each document is to find its caption among those of the batch, and each caption its document (InfoNCE: van den Oord
    et al. 2018; in both directions: Radford et al. 2021, CLIP). Every pair of one concept is a positive: the wanted
    distribution is even over all of them (Khosla et al. 2020, whose sum stands outside of the logarithm as here).

    Args:
        documents: [batch, dimension], L2-normalised.
        captions: [batch, dimension], L2-normalised; row i belongs to document i.
        concepts: int64 [batch]; equal numbers are the same concept.
        scale: scalar, 1 / temperature.
        more_documents: Further documents that captions must tell from theirs: a queue's (He et al. 2020, MoCo), or
            mined hard negatives. Those of a row's own concept are neither positives nor negatives for it.
        more_captions: Likewise for documents.
        label_smoothing: The share of the wanted distribution that is even over all candidates of a row.

    In several processes, the candidates are those of all (equally large) batches; the loss is that of this process's
    rows, and the mean of all processes' losses, gradients included, is the loss of the joined batch.
    """
    # Under autocast the products would be in half precision, too coarse for logits of up to 100.
    with torch.autocast(documents.device.type, enabled=False):
        documents, captions, scale = (_at_least_float32(part) for part in (documents, captions, scale))
        all_concepts = gather_rows(concepts)
        positives = _even_over(concepts[:, None] == all_concepts, documents.dtype)
        return 0.5 * (
            _one_direction(documents, concepts, gather_rows(captions), positives, more_captions, scale, label_smoothing)
            + _one_direction(
                captions, concepts, gather_rows(documents), positives, more_documents, scale, label_smoothing
            )
        )


def _one_direction(
    queries: torch.Tensor,
    concepts: torch.Tensor,
    candidates: torch.Tensor,
    wanted: torch.Tensor,
    more: Candidates | None,
    scale: torch.Tensor,
    label_smoothing: float,
) -> torch.Tensor:
    """The mean cross entropy between `wanted`, [queries, candidates], and what similarities say."""
    counted = torch.ones_like(wanted, dtype=torch.bool)
    if more is not None:
        candidates = torch.cat([candidates, more.vectors.to(candidates.dtype)])
        counted = torch.cat([counted, concepts[:, None] != more.concepts], dim=1)
        wanted = functional.pad(wanted, (0, len(more.concepts)))
    logits = (scale * queries @ candidates.T).masked_fill(~counted, -torch.inf)
    wanted = wanted.lerp(_even_over(counted, wanted.dtype), label_smoothing)
    # What is not counted has the logarithm of 0, which times 0 would not be 0.
    logarithms = functional.log_softmax(logits, dim=1).masked_fill(~counted, 0.0)
    return -(wanted * logarithms).sum(dim=1).mean()


def _even_over(chosen: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return chosen.to(dtype) / chosen.sum(dim=1, keepdim=True)


def _at_least_float32(values: torch.Tensor) -> torch.Tensor:
    return values if values.dtype == torch.float64 else values.float()
