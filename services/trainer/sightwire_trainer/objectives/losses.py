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


@dataclass(frozen=True, slots=True)
class SoftTargets:
    """How much of the wanted distribution follows the likeness of captions, and how sharply it does."""

    share: float
    #: What cosines of captions are divided by.
    temperature: float = 0.05


def contrastive_loss(
    documents: torch.Tensor,
    captions: torch.Tensor,
    concepts: torch.Tensor,
    scale: torch.Tensor,
    *,
    more_documents: Candidates | None = None,
    more_captions: Candidates | None = None,
    label_smoothing: float = 0.0,
    soft_targets: SoftTargets | None = None,
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
        soft_targets: The share of it that is given to candidates by how like a row's caption theirs are, so that the
            nearly right is wanted more than the wholly wrong (Gao et al. 2024, SoftCLIP). No gradient goes that way.
            Further documents, of which no captions are known, get none of it.

    In several processes, the candidates are those of all (equally large) batches; the loss is that of this process's
    rows, and the mean of all processes' losses, gradients included, is the loss of the joined batch.
    """
    # Under autocast the products would be in half precision, too coarse for logits of up to 100.
    with torch.autocast(documents.device.type, enabled=False):
        documents, captions, scale = (at_least_float32(part) for part in (documents, captions, scale))
        all_documents, all_captions = gather_rows(documents), gather_rows(captions)
        positives = _even_over(concepts[:, None] == gather_rows(concepts), documents.dtype)
        counted_captions = _counted(concepts, positives, more_captions)
        counted_documents = _counted(concepts, positives, more_documents)
        candidate_captions = _with_more(all_captions, more_captions)
        candidate_documents = _with_more(all_documents, more_documents)

        wanted_captions = _smoothed(positives, counted_captions, label_smoothing)
        wanted_documents = _smoothed(positives, counted_documents, label_smoothing)
        if soft_targets is not None:
            likeness = captions.detach() @ candidate_captions.detach().T
            wanted_captions = _softened(wanted_captions, likeness, counted_captions, soft_targets)
            batch = slice(len(all_captions))
            wanted_documents = _softened(
                wanted_documents, likeness[:, batch], counted_documents[:, batch], soft_targets
            )
        return 0.5 * (
            _cross_entropy(scale * documents @ candidate_captions.T, wanted_captions, counted_captions)
            + _cross_entropy(scale * captions @ candidate_documents.T, wanted_documents, counted_documents)
        )


def _counted(concepts: torch.Tensor, positives: torch.Tensor, more: Candidates | None) -> torch.Tensor:
    """bool [rows, candidates]: all of the batch, and further ones of other concepts."""
    batch = torch.ones_like(positives, dtype=torch.bool)
    return batch if more is None else torch.cat([batch, concepts[:, None] != more.concepts], dim=1)


def _with_more(vectors: torch.Tensor, more: Candidates | None) -> torch.Tensor:
    return vectors if more is None else torch.cat([vectors, more.vectors.to(vectors.dtype)])


def _smoothed(positives: torch.Tensor, counted: torch.Tensor, share: float) -> torch.Tensor:
    """The positives as a distribution over all candidates, `share` of it even over those that count."""
    wanted = functional.pad(positives, (0, counted.shape[1] - positives.shape[1]))
    return wanted.lerp(_even_over(counted, wanted.dtype), share)


def _softened(
    wanted: torch.Tensor, likeness: torch.Tensor, counted: torch.Tensor, soft_targets: SoftTargets
) -> torch.Tensor:
    """`soft_targets.share` of `wanted` by the likeness of captions to the first, or all, of its candidates."""
    nearness = (likeness / soft_targets.temperature).masked_fill(~counted, -torch.inf)
    soft = functional.pad(nearness.softmax(dim=1), (0, wanted.shape[1] - nearness.shape[1]))
    return wanted.lerp(soft, soft_targets.share)


def _cross_entropy(logits: torch.Tensor, wanted: torch.Tensor, counted: torch.Tensor) -> torch.Tensor:
    """The mean, over rows, of that between what is wanted and what logits say, both [rows, candidates]."""
    logarithms = functional.log_softmax(logits.masked_fill(~counted, -torch.inf), dim=1)
    # What is not counted has the logarithm of 0, which times 0 would not be 0.
    return -(wanted * logarithms.masked_fill(~counted, 0.0)).sum(dim=1).mean()


def _even_over(chosen: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return chosen.to(dtype) / chosen.sum(dim=1, keepdim=True)


def at_least_float32(values: torch.Tensor) -> torch.Tensor:
    """In float32, unless in double precision."""
    return values if values.dtype == torch.float64 else values.float()
