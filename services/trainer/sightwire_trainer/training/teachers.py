"""Vectors of the bundles that a model learns from, each picture's computed once."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from sightwire.bundles import load_bundle
from sightwire.bundles.bundle_encoder import BundleEncoder
from sightwire_trainer.objectives.distillation import joined_teachers


class Teachers:
    """The joined vectors of several bundles' image encoders for pictures as they are, not augmented.

    Pictures are encoded one at a time: in a batch the last bits of a vector may depend on its neighbours, and a resumed
    run, which remembers none, would see others than an uninterrupted one.
    """

    def __init__(self, bundles: Sequence[Path], device: torch.device) -> None:
        """Raises `BundleError` when one is not there or has no image encoder."""
        self._encoders = [BundleEncoder(load_bundle(folder)) for folder in bundles]
        self._device = device
        self._known: dict[bytes, torch.Tensor] = {}

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """uint8 [batch, 3, height, width] on the CPU to float32 [batch, dimension], L2-normalised."""
        return torch.stack([self._vector(image) for image in images]).to(self._device)

    def _vector(self, image: torch.Tensor) -> torch.Tensor:
        pixels = np.ascontiguousarray(image.permute(1, 2, 0).numpy())
        key = hashlib.blake2b(pixels.tobytes(), digest_size=16).digest()
        if key not in self._known:
            vectors = [torch.from_numpy(encoder.encode_images([pixels])) for encoder in self._encoders]
            self._known[key] = joined_teachers(vectors)[0]
        return self._known[key]
