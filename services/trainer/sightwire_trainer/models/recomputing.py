"""Gradient checkpointing: activations are computed again in the backward pass instead of being kept."""

from collections.abc import Iterable

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


def run_layers(layers: Iterable[nn.Module], values: torch.Tensor, *, recompute: bool) -> list[torch.Tensor]:
    """The result of each layer, each fed with the one before; the last one is the result of all.

    With `recompute`, only the results are kept for the backward pass, not what is inside a layer: about a third more
    time for a part of the memory (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost").
    """
    results: list[torch.Tensor] = []
    for layer in layers:
        if recompute and torch.is_grad_enabled():
            values = checkpoint(layer, values, use_reentrant=False)
        else:
            values = layer(values)
        results.append(values)
    return results
