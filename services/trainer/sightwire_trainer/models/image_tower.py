"""The tower of pictures: normalisation, a trunk, and a head."""

from typing import Protocol

import torch
from torch import nn
from torch.nn import functional


class ImageTrunk(Protocol):
    """Normalised pictures to features; an `nn.Module`."""

    #: Of RGB in 0..1, that the trunk's input is normalised with.
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]
    #: How many numbers it makes of a picture.
    features: int

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Float [batch, 3, size, size] to float [batch, features]."""
        ...


class TrunkAndHead(nn.Module):
    """An `ImageTower` (models/towers.py) of any trunk; without a head, the trunk's features are the vectors."""

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, trunk: nn.Module, head: nn.Module | None, *, size: int, dimension: int) -> None:
        """`trunk` is an `ImageTrunk`."""
        super().__init__()
        self.size = size
        self.dimension = dimension
        self.trunk = trunk
        self.head = head
        self._trunk_rests = False
        # Not persistent: they are the trunk's constants, no weights.
        self.register_buffer("mean", _channels(trunk.mean), persistent=False)
        self.register_buffer("deviation", _channels(trunk.deviation), persistent=False)

    def let_trunk_rest(self, rests: bool) -> None:
        """Whether the trunk is as in evaluation, without gradients, while the head learns."""
        if rests != self._trunk_rests:
            self._trunk_rests = rests
            self.train(self.training)

    def train(self, mode: bool = True) -> "TrunkAndHead":
        """A trunk that rests stays in evaluation mode."""
        super().train(mode)
        if self._trunk_rests:
            self.trunk.eval()
        return self

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """float32 [batch, 3, size, size], RGB in 0..1, to float32 [batch, dimension], L2-normalised."""
        features = self.features(images)
        if self.head is None:
            return functional.normalize(features.float(), dim=-1)
        vectors: torch.Tensor = self.head(features)
        return vectors

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """What the trunk makes of pictures as `forward` takes them: float [batch, features of the trunk]."""
        # Convolutions of the CPU and of GPUs with tensor cores are faster where the channels of a pixel lie together.
        normalised = ((images - self.mean) / self.deviation).contiguous(memory_format=torch.channels_last)
        features: torch.Tensor
        if not self._trunk_rests:
            features = self.trunk(normalised)
            return features
        with torch.no_grad():
            features = self.trunk(normalised)
        return features


def _channels(values: object) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32).reshape(1, 3, 1, 1)
