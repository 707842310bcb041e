"""Batch norms of fixed statistics as part of the convolutions before them: the same function in fewer operations."""

import torch
from torch import nn


@torch.no_grad()
def fold_norms(network: nn.Module) -> None:
    """Puts every batch norm of timm's, by its statistics of now, into the convolution before it; activations stay.

    What the network answers in evaluation mode changes by rounding alone: factors are computed in float64. Convolutions
    that had no bias have one afterwards.
    """
    from timm.layers.norm_act import BatchNormAct2d

    convolution: nn.Conv2d | None = None
    # Timm's blocks name their layers in the order in which they run.
    for name, layer in list(network.named_children()):
        if isinstance(layer, nn.Conv2d):
            convolution = layer
        elif isinstance(layer, BatchNormAct2d):
            assert convolution is not None, "a norm follows its convolution"
            _fold(convolution, layer)
            setattr(network, name, layer.act)
            convolution = None
        else:
            fold_norms(layer)


def _fold(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None
    assert variance is not None
    factors = norm.weight.double() / torch.sqrt(variance.double() + norm.eps)
    bias = norm.bias.double() - mean.double() * factors
    if convolution.bias is not None:
        bias += convolution.bias.double() * factors
    weight = convolution.weight
    weight.copy_(weight.double() * factors[:, None, None, None])
    convolution.bias = nn.Parameter(bias.to(weight.dtype))
