"""The text encoder of a bundle as a tower: its vectors stay as they are, comparable with those of the bundle."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from sightwire_trainer.models.cached_text_encoder import CachedTextEncoder


class FrozenMiniLmTower(nn.Module):
    """A `TextTower` (models/towers.py) without weights of its own: nothing of it is in a `state_dict`."""

    is_frozen = True
    device_anchor: torch.Tensor

    def __init__(self, encoder: CachedTextEncoder) -> None:
        super().__init__()
        self.dimension = encoder.dimension
        self._encoder = encoder
        # Tells the device that the model was moved to.
        self.register_buffer("device_anchor", torch.empty(0), persistent=False)

    def encode(self, texts: Sequence[str]) -> torch.Tensor:
        """float32 [texts, dimension], L2-normalised, without gradients, on the device of the model."""
        vectors = self._encoder.vectors_of(texts)
        stacked = np.stack([vectors[text] for text in texts]) if texts else np.empty((0, self.dimension), np.float32)
        return torch.from_numpy(stacked).to(self.device_anchor.device, non_blocking=True)

    def prepare(self, texts: Sequence[str]) -> None:
        """Computes those of the texts' vectors that are missing: for a thread that works ahead of `encode`."""
        self._encoder.vectors_of(texts)
