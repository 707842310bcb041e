"""A small vision transformer from scratch."""

import torch
from torch import nn

from sightwire.errors import InvalidInputError
from sightwire_trainer.configuration import VitTrunk as VitConfiguration
from sightwire_trainer.models.recomputing import run_layers
from sightwire_trainer.models.transformer import TransformerBlock, initialise_transformer


class VitTrunk(nn.Module):
    """Pictures as squares of pixels, one token each; the mean of the tokens at the end (Dosovitskiy et al. 2021).

    With patches of 16 on 128 px, width 192 and depth 8: 3.7 M parameters.
    """

    mean = (0.5, 0.5, 0.5)
    deviation = (0.5, 0.5, 0.5)

    def __init__(self, configuration: VitConfiguration, *, size: int, dropout: float, recompute: bool = False) -> None:
        """Raises `InvalidInputError` when `size` is not a multiple of the patch."""
        super().__init__()
        patch, width = configuration.patch, configuration.width
        if size % patch:
            raise InvalidInputError(f"a picture's size must be a multiple of the patch; got {size} and {patch}")
        self.features = width
        self.recompute = recompute
        self.patches = nn.Conv2d(3, width, kernel_size=patch, stride=patch)
        self.positions = nn.Parameter(torch.empty(1, (size // patch) ** 2, width))
        nn.init.trunc_normal_(self.positions, std=0.02)
        self.blocks = nn.ModuleList(
            TransformerBlock(width, configuration.heads, dropout=dropout) for _ in range(configuration.depth)
        )
        self.norm = nn.LayerNorm(width)
        initialise_transformer(self)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Normalised float [batch, 3, size, size] to float [batch, width]."""
        tokens = self.patches(images).flatten(2).transpose(1, 2) + self.positions
        last = run_layers(self.blocks, tokens, recompute=self.recompute)[-1]
        features: torch.Tensor = self.norm(last).mean(dim=1)
        return features
