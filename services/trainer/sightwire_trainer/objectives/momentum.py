"""A model that slowly follows another: the momentum encoder of MoCo (He et al. 2020)."""

import copy

import torch
from torch import nn

from sightwire_trainer.models.two_tower import TwoTowerModel


class MomentumModel(nn.Module):
    """A copy of a two-tower model whose weights are `momentum` of themselves and the rest of the followed model's.

    Always in evaluation mode: with the statistics of a batch, its norms would tell the rows of one batch by them, which
    He et al. avoid by shuffling. A frozen text tower is shared, not copied.
    """

    def __init__(self, followed: TwoTowerModel, momentum: float) -> None:
        super().__init__()
        self.momentum = momentum
        self.model = copy.deepcopy(followed).requires_grad_(False)
        self.train(False)

    def train(self, mode: bool = True) -> "MomentumModel":  # noqa: ARG002  # what nn.Module asks for
        """Stays in evaluation mode."""
        return super().train(False)

    @torch.no_grad()
    def follow(self, followed: TwoTowerModel) -> None:
        """One step towards `followed`; buffers, such as the statistics of norms, are taken over. After each update."""
        own = [parameter.data for parameter in self.model.parameters()]
        if own:
            torch._foreach_lerp_(own, [parameter.data for parameter in followed.parameters()], 1 - self.momentum)
        for mine, theirs in zip(self.model.buffers(), followed.buffers(), strict=True):
            mine.copy_(theirs)
