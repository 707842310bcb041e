"""The head: from a trunk's features into the common space."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional


class Head(nn.Module):
    """Batch norm without a scale of its own, then an MLP: [batch, features] to [batch, dimension], L2-normalised.

    With 1,536 features, one hidden width of 768 and 384 dimensions: 1.48 M parameters. The batch norm brings means and
    maxima to one range; with a momentum this low its statistics outlive batches of a few odd pictures.
    """

    def __init__(self, features: int, widths: Sequence[int], dimension: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(features, affine=False, momentum=0.05)
        layers: list[nn.Module] = [nn.Dropout(dropout)]
        for width in widths:
            layers += [nn.Linear(features, width), nn.GELU(), nn.LayerNorm(width), nn.Dropout(dropout)]
            features = width
        self.layers = nn.Sequential(*layers, nn.Linear(features, dimension))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Float [batch, features] to float32 [batch, dimension], L2-normalised, under autocast too."""
        return functional.normalize(self.layers(self.norm(features.float())).float(), dim=-1)
