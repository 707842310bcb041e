"""A model of the trainer as encoders, for evaluation while it is trained."""

from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np
import torch
from PIL import Image

from sightwire.bundles.preprocessing import Pixels, encoder_pixels
from sightwire_trainer.evaluation.ranks import Matrix

_BATCH: Final = 64


class TowersOfModel(Protocol):
    """What is needed of a two-tower model; each method answers float [rows, dimension], L2-normalised."""

    def encode_images(self, images: torch.Tensor) -> torch.Tensor:
        """float32 [batch, 3, size, size], RGB in 0..1."""
        ...

    def encode_documents(self, texts: list[str]) -> torch.Tensor: ...

    def encode_texts(self, texts: list[str]) -> torch.Tensor: ...


class ModelEncoders:
    """Encodes as an exported bundle of the model would: the same resize, no augmentation, no gradients.

    The model is left in the mode that it is in: set it to `eval()`.
    """

    def __init__(self, model: TowersOfModel, *, size: int, device: torch.device | str = "cpu") -> None:
        self._model = model
        self._size = size
        self._device = torch.device(device)

    @torch.inference_mode()
    def encode_images(self, images: Sequence[Pixels]) -> Matrix:
        """RGB pixels, uint8 [height, width, 3] of any sizes, to float32 [images, dimension]."""
        parts = []
        for start in range(0, len(images), _BATCH):
            pixels = [encoder_pixels(Image.fromarray(image), self._size) for image in images[start : start + _BATCH]]
            batch = torch.from_numpy(np.stack(pixels)).to(self._device).permute(0, 3, 1, 2).float() / 255
            parts.append(self._model.encode_images(batch))
        return _matrix(parts)

    @torch.inference_mode()
    def encode_texts(self, texts: Sequence[str]) -> Matrix:
        """Texts that search, to float32 [texts, dimension]."""
        return _matrix([self._model.encode_texts(list(part)) for part in _parts(texts)])

    @torch.inference_mode()
    def encode_documents(self, texts: Sequence[str]) -> Matrix:
        """Texts to be found, to float32 [texts, dimension]; for models of text-text pairs only."""
        return _matrix([self._model.encode_documents(list(part)) for part in _parts(texts)])


def _parts(texts: Sequence[str]) -> list[Sequence[str]]:
    return [texts[start : start + _BATCH] for start in range(0, len(texts), _BATCH)]


def _matrix(parts: list[torch.Tensor]) -> Matrix:
    matrix: Matrix = torch.cat(parts).float().cpu().numpy()
    return matrix
