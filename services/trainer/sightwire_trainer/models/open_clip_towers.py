"""Towers of open_clip models, by the library's names for them. The library is imported only here, when it is needed."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from sightwire.errors import ConfigurationError, InvalidInputError
from sightwire_trainer.configuration import OpenClipTower as OpenClipConfiguration


class OpenClipTrunk(nn.Module):
    """The picture tower of an open_clip model with its projection: normalised pictures to [batch, features]."""

    def __init__(self, configuration: OpenClipConfiguration, *, size: int, recompute: bool = False) -> None:
        """Raises `InvalidInputError` when the library has no such model or weights, or cannot build it at `size`."""
        super().__init__()
        model = _create_model(configuration, force_image_size=size)
        self.visual = model.visual
        self.features = open_clip_dimension(configuration)
        # Where the model does not say what it was trained with, it is what CLIP was trained with.
        self.mean = tuple(getattr(model.visual, "image_mean", None) or _library().OPENAI_DATASET_MEAN)
        self.deviation = tuple(getattr(model.visual, "image_std", None) or _library().OPENAI_DATASET_STD)
        if recompute:
            self.visual.set_grad_checkpointing(True)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Normalised float [batch, 3, size, size] to float [batch, features]."""
        vectors: torch.Tensor = self.visual(images)
        return vectors


class OpenClipTextTower(nn.Module):
    """A `TextTower` (models/towers.py) of an open_clip model; a projection of its own if its dimension is another."""

    is_frozen = False
    device_anchor: torch.Tensor

    def __init__(self, configuration: OpenClipConfiguration, *, dimension: int, recompute: bool = False) -> None:
        """Raises `InvalidInputError` when the library has no such model or weights."""
        super().__init__()
        self.dimension = dimension
        self.model = _create_model(configuration)
        # The pictures' part is `OpenClipTrunk`'s; here it would only cost memory and count as weights.
        del self.model.visual
        if recompute:
            _checkpoint_text(self.model)
        self.tokenizer = _tokenizer(configuration)
        own = open_clip_dimension(configuration)
        self.projection = nn.Identity() if own == dimension else nn.Linear(own, dimension, bias=False)
        self.register_buffer("device_anchor", torch.empty(0), persistent=False)

    def encode(self, texts: Sequence[str]) -> torch.Tensor:
        """Texts to float32 [texts, dimension], L2-normalised, on the tower's device."""
        vectors: torch.Tensor = self(self.tokenizer(list(texts)).to(self.device_anchor.device))
        return vectors

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """int64 [batch, context length] to float32 [batch, dimension], L2-normalised."""
        return functional.normalize(self.projection(self.model.encode_text(ids)).float(), dim=-1)


def open_clip_dimension(configuration: OpenClipConfiguration) -> int:
    """The dimension of the model's vectors. Raises `InvalidInputError` when the library has no such model."""
    described = _library().get_model_config(configuration.name)
    if described is None:
        raise InvalidInputError(
            f"open_clip has no model {configuration.name!r}; `python -c 'import open_clip; "
            "print(open_clip.list_models())'` lists those it has"
        )
    return int(described["embed_dim"])


def open_clip_picture_size(configuration: OpenClipConfiguration) -> int:
    """Width and height of the pictures that the model is for. Raises `InvalidInputError` as `open_clip_dimension`."""
    open_clip_dimension(configuration)
    return int(_library().get_model_config(configuration.name)["vision_cfg"]["image_size"])


def _create_model(configuration: OpenClipConfiguration, **options: Any) -> Any:
    open_clip_dimension(configuration)
    try:
        return _library().create_model(
            configuration.name,
            pretrained=configuration.pretrained,
            pretrained_text=False,
            require_pretrained=configuration.pretrained is not None,
            **options,
        )
    except (RuntimeError, ValueError, OSError, ImportError) as error:
        raise InvalidInputError(
            f"open_clip cannot build {configuration.name!r} (pretrained: {configuration.pretrained}): {error}"
        ) from error


def _tokenizer(configuration: OpenClipConfiguration) -> Any:
    try:
        return _library().get_tokenizer(configuration.name)
    except (RuntimeError, ValueError, OSError, ImportError) as error:
        raise InvalidInputError(f"open_clip cannot give the tokenizer of {configuration.name!r}: {error}") from error


def _checkpoint_text(model: Any) -> None:
    # A CLIP's text part lies in the model itself, that of the others in a module of its own.
    transformer: Any = getattr(getattr(model, "text", model), "transformer", None)
    if hasattr(transformer, "grad_checkpointing"):
        transformer.grad_checkpointing = True


def _library() -> Any:
    try:
        import open_clip  # type: ignore[import-untyped]
    except ImportError as error:
        raise ConfigurationError(
            "an open_clip tower needs the package open_clip_torch; install it with "
            "`pip install 'sightwire-trainer[open-clip]'`"
        ) from error
    return open_clip
