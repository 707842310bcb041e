"""Documents of one concept near to each other, whatever their captions say."""

import torch
from torch.nn import functional

from sightwire_trainer.objectives.gathering import gather_rows, process_count, process_rank
from sightwire_trainer.objectives.losses import at_least_float32


def concept_contrast_loss(
    documents: torch.Tensor, concepts: torch.Tensor, *, temperature: float = 0.125
) -> torch.Tensor:
    """How badly documents find the others of their concept: supervised contrastive learning (Khosla et al. 2020).

    The mean, over documents that have such others in the batch, of the cross entropy between an even distribution over
    these and the softmax over all others; 0 when there are none.

    Args:
        documents: [batch, dimension], L2-normalised.
        concepts: int64 [batch]; equal numbers are the same concept.
        temperature: What cosines are divided by. Higher than that of captions: drawings of one thing in several styles
            need not be as near to each other as to its name.

    In several processes as `contrastive_loss`.
    """
    with torch.autocast(documents.device.type, enabled=False):
        documents = at_least_float32(documents)
        candidates, all_concepts = gather_rows(documents), gather_rows(concepts)
        itself = _own_places(len(documents), len(candidates), documents.device)
        same = (concepts[:, None] == all_concepts) & ~itself
        logarithms = functional.log_softmax((documents @ candidates.T / temperature).masked_fill(itself, -torch.inf), 1)
        losses = -(logarithms.masked_fill(~same, 0.0)).sum(dim=1) / same.sum(dim=1).clamp(min=1)
        in_company = (all_concepts[:, None] == all_concepts).sum(dim=1) > 1
        # Over the documents of all processes, whose losses are averaged afterwards.
        return losses.sum() * process_count() / in_company.sum().clamp(min=1)


def _own_places(rows: int, candidates: int, device: torch.device) -> torch.Tensor:
    """bool [rows, candidates]: where each row stands among the candidates of all processes."""
    places = torch.arange(rows, device=device) + rows * process_rank()
    return places[:, None] == torch.arange(candidates, device=device)
