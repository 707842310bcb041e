"""The queue of candidates of earlier batches: many negatives for a small batch (He et al. 2020, MoCo)."""

import torch
from torch import nn

from sightwire_trainer.objectives.gathering import gather_rows
from sightwire_trainer.objectives.losses import Candidates


class MomentumQueue(nn.Module):
    """The newest `size` documents and captions with their concepts, as the momentum model saw them.

    Nothing in it has a gradient. Its state, for checkpoints, is its `state_dict`. In several processes, each holds the
    rows of all.
    """

    documents: torch.Tensor
    captions: torch.Tensor
    concepts: torch.Tensor
    written: torch.Tensor

    def __init__(self, size: int, dimension: int) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("documents", torch.zeros(size, dimension))
        self.register_buffer("captions", torch.zeros(size, dimension))
        self.register_buffer("concepts", torch.zeros(size, dtype=torch.int64))
        #: How many rows came in ever; the next one goes to this number modulo `size`.
        self.register_buffer("written", torch.zeros((), dtype=torch.int64))

    def __len__(self) -> int:
        """How many rows there are to be compared with."""
        return min(self.size, int(self.written))

    @torch.no_grad()
    def push(self, documents: torch.Tensor, captions: torch.Tensor, concepts: torch.Tensor) -> None:
        """Takes in a batch, [batch, dimension] twice and int64 [batch], in the place of the oldest rows.

        Comes after the loss of the batch: its own rows are candidates of the batch already.
        """
        rows = [gather_rows(part.detach())[-self.size :] for part in (documents, captions, concepts)]
        places = (int(self.written) + torch.arange(len(rows[0]), device=self.concepts.device)) % self.size
        for buffer, added in zip((self.documents, self.captions, self.concepts), rows, strict=True):
            buffer[places] = added.to(buffer.dtype)
        self.written += len(places)

    def candidate_documents(self) -> Candidates | None:
        """For `contrastive_loss(more_documents=…)`; None while there are none. A copy, for later pushes."""
        return self._candidates(self.documents)

    def candidate_captions(self) -> Candidates | None:
        """For `contrastive_loss(more_captions=…)`; None while there are none. A copy, like the documents."""
        return self._candidates(self.captions)

    def _candidates(self, vectors: torch.Tensor) -> Candidates | None:
        rows = len(self)
        return Candidates(vectors[:rows].clone(), self.concepts[:rows].clone()) if rows else None
