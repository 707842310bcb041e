"""From feature maps to one vector a picture."""

from collections.abc import Sequence

import torch


def pooled_features(channels: Sequence[int]) -> int:
    """How many numbers `pool_stages` makes of stages with so many channels each."""
    return 2 * sum(channels)


def pool_stages(stages: Sequence[torch.Tensor]) -> torch.Tensor:
    """Maps [batch, channels, h, w] of one or more stages to float32 [batch, 2 * all channels].

    Mean, then maximum of each stage: the mean says how much of something there is, the maximum whether there is any.
    Always in float32, as a mean over many bfloat16 numbers loses the small ones.
    """
    pooled: list[torch.Tensor] = []
    for stage in stages:
        maps = stage.float()
        pooled += [maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3))]
    return torch.cat(pooled, dim=1)
