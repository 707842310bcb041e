"""The default detector's backbone in torch: NanoDet-m's, a CSP network with its batch norms folded in."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from sightwire.errors import InvalidInputError
from sightwire_trainer.models.pooling import pool_stages, pooled_features
from sightwire_trainer.models.recomputing import run_layers

_SLOPE = 0.1
_PICTURES_AT_ONCE = 64


class CspPair(nn.Module):
    """Halves the channels, works on the half, and joins both: [batch, width, h, w] to the same."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.halving = _convolution(width, width // 2)
        self.working = _convolution(width // 2, width // 2)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        half = _activate(self.halving(maps))
        return torch.cat([_activate(self.working(half)), half], dim=1)


class CspStage(nn.Module):
    """A cross-stage partial stage (Wang et al. 2020).

    [batch, width, h, w] to [batch, 2 width, h / stride, w / stride].
    """

    def __init__(self, width: int, pairs: int, stride: int) -> None:
        super().__init__()
        self.entry = _convolution(width, width, stride)
        self.pairs = nn.Sequential(*(CspPair(width) for _ in range(pairs)))
        self.last = _convolution(width, width)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        entry = _activate(self.entry(maps))
        return torch.cat([_activate(self.last(self.pairs(entry))), entry], dim=1)


class CspTrunk(nn.Module):
    """Pictures to 1,536 pooled features, with 3.2 M parameters. Fully convolutional: sides are multiples of 32."""

    #: ImageNet's, in RGB of 0..1, as the detector was trained with.
    mean = (0.485, 0.456, 0.406)
    deviation = (0.229, 0.224, 0.225)
    stride = 32
    features = pooled_features((256, 512))

    def __init__(self, *, recompute: bool = False) -> None:
        super().__init__()
        self.recompute = recompute
        self.stem = _convolution(3, 32, 2)
        self.stages = nn.ModuleList(
            [CspStage(32, 1, 1), CspStage(64, 2, 2), CspStage(128, 2, 2), CspStage(256, 3, 2)],
        )
        for convolution in self.convolutions():
            nn.init.kaiming_normal_(convolution.weight, a=_SLOPE)
            nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]  # each has a bias

    def convolutions(self) -> list[nn.Conv2d]:
        """All convolutions in the order of the published graph."""
        return [module for module in self.modules() if isinstance(module, nn.Conv2d)]

    @torch.no_grad()
    def load_convolutions(self, convolutions: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> None:
        """Takes over weights and biases. Raises `InvalidInputError` when a shape is another."""
        for own, (weight, bias) in zip(self.convolutions(), convolutions, strict=True):
            if own.weight.shape != weight.shape:
                raise InvalidInputError(
                    f"expected NanoDet-m's backbone, with a convolution of {list(own.weight.shape)} where the given "
                    f"graph has one of {list(weight.shape)}"
                )
            own.weight.copy_(weight)
            assert own.bias is not None
            own.bias.copy_(bias)

    def stage_maps(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Normalised float [batch, 3, h, w] to the maps of strides 8, 16 and 32, with 128, 256 and 512 channels."""
        maps = functional.max_pool2d(_activate(self.stem(images)), kernel_size=3, stride=2, padding=1)
        return run_layers(self.stages, maps, recompute=self.recompute)[1:]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Normalised float [batch, 3, h, w] to float32 [batch, 1536]: mean and maximum of the last two stages."""
        if not self.training or images.device.type != "cpu":
            return self._pooled(images)
        # No picture sees another here, and on a CPU the maps of fewer of them are worked on faster: by 13% at 128 px.
        return torch.cat([self._pooled(part) for part in torch.split(images, _PICTURES_AT_ONCE)])

    def _pooled(self, images: torch.Tensor) -> torch.Tensor:
        return pool_stages(self.stage_maps(images)[-2:])


def _convolution(channels_in: int, channels_out: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels_out, kernel_size=3, stride=stride, padding=1)


def _activate(maps: torch.Tensor) -> torch.Tensor:
    # In place: a third of the activations' memory, and its gradient needs only the result.
    return functional.leaky_relu(maps, _SLOPE, inplace=True)
