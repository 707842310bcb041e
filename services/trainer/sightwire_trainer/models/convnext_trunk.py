"""A small ConvNet from scratch, of ConvNeXt's blocks."""

import itertools

import torch
from torch import nn
from torch.nn import functional

from sightwire.errors import InvalidInputError
from sightwire_trainer.configuration import ConvNetTrunk as ConvNetConfiguration
from sightwire_trainer.models.pooling import pool_stages, pooled_features
from sightwire_trainer.models.recomputing import run_layers


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of [batch, channels, h, w]."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return super().forward(maps.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ConvNextBlock(nn.Module):
    """Depthwise 7 x 7, layer norm, MLP over the channels, added to the input (Liu et al. 2022).

    What a block adds is scaled by a small learnt number for each channel, so that a deep net begins as a shallow one.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, kernel_size=7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, 4 * width)
        self.contract = nn.Linear(4 * width, width)
        self.scale = nn.Parameter(torch.full((width,), 1e-6))

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        pixels = self.norm(self.depthwise(maps).permute(0, 2, 3, 1))
        added = self.scale * self.contract(functional.gelu(self.expand(pixels)))
        result: torch.Tensor = maps + added.permute(0, 3, 1, 2)
        return result


class ConvNextTrunk(nn.Module):
    """Pictures to pooled features; stages of strides 4, 8, 16, 32.

    With depths 2, 2, 6, 2 and widths 48, 96, 192, 384: 4.8 M parameters.
    """

    mean = (0.5, 0.5, 0.5)
    deviation = (0.5, 0.5, 0.5)

    def __init__(self, configuration: ConvNetConfiguration, *, recompute: bool = False) -> None:
        """Raises `InvalidInputError` when there are not as many depths as widths."""
        super().__init__()
        depths, widths = configuration.depths, configuration.widths
        if len(depths) != len(widths):
            raise InvalidInputError(f"a ConvNet needs a width for each depth; got {len(depths)} and {len(widths)}")
        self.features = pooled_features(widths[-2:])
        self.recompute = recompute
        self.stem = nn.Sequential(nn.Conv2d(3, widths[0], kernel_size=4, stride=4), ChannelNorm(widths[0]))
        self.stages = nn.ModuleList([_blocks(widths[0], depths[0])])
        for (before, width), depth in zip(itertools.pairwise(widths), depths[1:], strict=True):
            reducing = nn.Sequential(ChannelNorm(before), nn.Conv2d(before, width, kernel_size=2, stride=2))
            self.stages.append(nn.Sequential(reducing, _blocks(width, depth)))
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]  # each has a bias

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Normalised float [batch, 3, h, w] to float32 [batch, features]: mean and maximum of the last two stages."""
        stages = run_layers(self.stages, self.stem(images), recompute=self.recompute)
        return pool_stages(stages[-2:])


def _blocks(width: int, depth: int) -> nn.Sequential:
    return nn.Sequential(*(ConvNextBlock(width) for _ in range(depth)))
