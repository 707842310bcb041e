"""Two towers into one space: one of documents, pictures or texts, and one of the texts that find them."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from sightwire.errors import InvalidInputError
from sightwire_trainer.configuration import OptimiserConfiguration
from sightwire_trainer.models.frozen_minilm import FrozenMiniLmTower
from sightwire_trainer.models.image_tower import TrunkAndHead
from sightwire_trainer.models.open_clip_towers import OpenClipTextTower
from sightwire_trainer.models.parameter_groups import Part, parameter_groups
from sightwire_trainer.models.text_transformer import TextTransformerTower

#: Each is a `TextTower` (models/towers.py).
TextTowerModule = FrozenMiniLmTower | TextTransformerTower | OpenClipTextTower


class TwoTowerModel(nn.Module):
    """An `image` tower or a tower of `documents`, and a tower of `text`; all vectors are L2-normalised."""

    def __init__(
        self, *, image: TrunkAndHead | None = None, documents: TextTowerModule | None = None, text: TextTowerModule
    ) -> None:
        """Exactly one of `image` and `documents` is given."""
        super().__init__()
        assert (image is None) != (documents is None)
        self.image = image
        self.documents = documents
        self.text = text

    @property
    def dimension(self) -> int:
        """Of all vectors."""
        return self.text.dimension

    def forward(self, documents: torch.Tensor | Sequence[str], captions: Sequence[str]) -> tuple[torch.Tensor, ...]:
        """Vectors of the documents and of the captions, both float32 [batch, dimension].

        What DistributedDataParallel wraps: a step of training must go through it, not through the `encode_` methods.
        """
        if isinstance(documents, torch.Tensor):
            return self.encode_images(documents), self.encode_texts(captions)
        return self.encode_documents(documents), self.encode_texts(captions)

    def encode_images(self, images: torch.Tensor) -> torch.Tensor:
        """float32 [batch, 3, size, size], RGB in 0..1, to float32 [batch, dimension]."""
        if self.image is None:
            raise InvalidInputError("this model finds texts, not pictures: it has no image tower")
        vectors: torch.Tensor = self.image(images)
        return vectors

    def encode_documents(self, texts: Sequence[str]) -> torch.Tensor:
        """Documents of text-text pairs to float32 [texts, dimension]."""
        if self.documents is None:
            raise InvalidInputError("this model finds pictures, not texts: it has no tower of documents")
        return self.documents.encode(texts)

    def encode_texts(self, texts: Sequence[str]) -> torch.Tensor:
        """Captions and queries to float32 [texts, dimension]."""
        return self.text.encode(texts)

    def parameter_groups(self, configuration: OptimiserConfiguration) -> list[dict[str, Any]]:
        """Groups for AdamW: trunk, head and text at their rates, norms and biases without decay."""
        return parameter_groups(self._parts(), configuration)

    def parameter_counts(self) -> dict[str, int]:
        """How many parameters are trained in each part."""
        counts: dict[str, int] = {}
        for part, module in self._parts():
            trained = sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
            counts[part] = counts.get(part, 0) + trained
        return counts

    def _parts(self) -> list[tuple[Part, nn.Module]]:
        parts: list[tuple[Part, nn.Module]] = []
        if self.image is not None:
            parts.append(("trunk", self.image.trunk))
            if self.image.head is not None:
                parts.append(("head", self.image.head))
        parts += [("text", tower) for tower in (self.documents, self.text) if tower is not None]
        return parts
