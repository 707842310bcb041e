"""The learnable temperature of contrastive losses."""

import math

import torch
from torch import nn

#: Radford et al. 2021 (CLIP) found training unstable beyond.
LARGEST_SCALE = 100.0


class Scale(nn.Module):
    """What similarities are multiplied with, 1 / temperature, learnt as its logarithm (Radford et al. 2021).

    Its parameter is kept within 1 and `LARGEST_SCALE` before each use, so that, unlike with a clamp that gradients pass
    through, one that ran over the edge finds back. It belongs into the optimiser without weight decay, and, in several
    processes, into what DistributedDataParallel wraps.
    """

    def __init__(self, temperature: float, *, learn: bool = True) -> None:
        super().__init__()
        self.logarithm = nn.Parameter(torch.tensor(-math.log(temperature)), requires_grad=learn)

    def forward(self) -> torch.Tensor:
        """A scalar tensor, with a gradient if it learns."""
        with torch.no_grad():
            self.logarithm.clamp_(0.0, math.log(LARGEST_SCALE))
        return self.logarithm.exp()
