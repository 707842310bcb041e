"""What a tower and a two-tower model are to the rest of the trainer."""

from collections.abc import Sequence
from typing import Protocol

import torch


class ImageTower(Protocol):
    """Pictures to vectors; an `nn.Module`."""

    #: Pixels of each side of its square input.
    size: int
    dimension: int

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """float32 [batch, 3, size, size], RGB in 0..1, to float [batch, dimension], L2-normalised.

        Means and deviations are taken off inside, so that an exported graph has them too.
        """
        ...


class TextTower(Protocol):
    """Texts to vectors; an `nn.Module`."""

    dimension: int
    #: Whether training leaves its weights alone; its vectors may then be computed once.
    is_frozen: bool

    def encode(self, texts: Sequence[str]) -> torch.Tensor:
        """Texts to float [texts, dimension], L2-normalised, on the tower's device; with gradients if not frozen."""
        ...
