"""Towers captured by `torch.export`, from which ONNX graphs and torch programs are made."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import nn
from torch.export import Dim, ExportedProgram

from sightwire_trainer.export.errors import ExportError
from sightwire_trainer.models.image_tower import TrunkAndHead
from sightwire_trainer.models.open_clip_towers import OpenClipTextTower, OpenClipTrunk
from sightwire_trainer.models.text_transformer import TextTransformerTower

#: Batches that an exported form must answer like the model.
CHECKED_BATCHES: Final = (1, 3, 16)
Tensors = tuple[torch.Tensor, ...]


@dataclass(frozen=True, slots=True)
class TowerProgram:
    """A tower without Python: its operations, and how to make inputs of any batch to try it with."""

    program: ExportedProgram
    #: The tower itself, on the CPU, in evaluation mode.
    tower: nn.Module
    #: Random inputs of a batch, the same for the same size.
    inputs: Callable[[int], Tensors]
    input_names: tuple[str, ...]
    output_name: str

    @torch.inference_mode()
    def expected(self, inputs: Tensors) -> torch.Tensor:
        """What the tower answers: float32 [batch, dimension]."""
        vectors: torch.Tensor = self.tower(*inputs)
        return vectors


def image_program(tower: TrunkAndHead) -> TowerProgram:
    """`images`, float32 [batch, 3, size, size], RGB in 0..1, to `image_embeddings`, float32 [batch, dimension].

    Normalisation, trunk, head and L2 norm are inside. Raises `ExportError` when torch cannot capture the tower.
    """
    size = tower.size

    def inputs(batch: int) -> Tensors:
        return (torch.rand(batch, 3, size, size, generator=_generator(batch)),)

    return _captured(tower, inputs, ({0: Dim("batch")},), ("images",), "image_embeddings")


def text_program(tower: TextTransformerTower | OpenClipTextTower) -> TowerProgram:
    """Token ids, int64 [batch, length], and a mask if the tower has one, to `text_embeddings`.

    A tower with a mask takes texts of any length up to its own; the ids of an open_clip tower have all of its length.
    Raises `ExportError` when torch cannot capture the tower.
    """
    if isinstance(tower, OpenClipTextTower):
        return _open_clip_program(tower)
    # At its longest, or shortest, a length would be taken for fixed.
    longest = tower.max_tokens
    vocabulary = tower.tokens.num_embeddings

    def inputs(batch: int) -> Tensors:
        generator = _generator(batch)
        length = max(2, min(longest - 1, 2 + batch))
        ids = torch.randint(vocabulary, (batch, length), generator=generator)
        lengths = torch.randint(1, length + 1, (batch, 1), generator=generator)
        return ids, (torch.arange(length) < lengths).long()

    axes = {0: Dim("batch"), 1: Dim("length", max=longest)}
    return _captured(tower, inputs, (axes, axes), ("input_ids", "attention_mask"), "text_embeddings")


def _open_clip_program(tower: OpenClipTextTower) -> TowerProgram:
    model: Any = getattr(tower.model, "text", tower.model)
    vocabulary, length = int(model.vocab_size), int(model.context_length)

    def inputs(batch: int) -> Tensors:
        # The end of a text is the highest of all ids.
        ids = torch.randint(1, vocabulary - 1, (batch, length), generator=_generator(batch))
        ends = torch.randint(1, length, (batch, 1), generator=_generator(batch))
        places = torch.arange(length)
        return (torch.where(places < ends, ids, torch.where(places == ends, vocabulary - 1, 0)),)

    return _captured(tower, inputs, ({0: Dim("batch")},), ("input_ids",), "text_embeddings")


def _captured(
    tower: nn.Module,
    inputs: Callable[[int], Tensors],
    axes: tuple[dict[int, Any], ...],
    input_names: tuple[str, ...],
    output_name: str,
) -> TowerProgram:
    still = copy.deepcopy(tower).cpu().eval().requires_grad_(False)
    try:
        with torch.no_grad():
            program = torch.export.export(_for_inference(still), inputs(3), dynamic_shapes=axes)
    except Exception as error:  # what torch raises for code that it cannot capture has no common base class
        raise ExportError(f"torch cannot capture the tower {type(tower).__name__}: {error}") from error
    return TowerProgram(program, still, inputs, input_names, output_name)


def _for_inference(tower: nn.Module) -> nn.Module:
    """The tower without what is only for training; the same vectors."""
    changed = copy.deepcopy(tower)
    for module in changed.modules():
        # Gradients are what activations would be computed again for.
        if hasattr(module, "grad_checkpointing"):
            setattr(module, "grad_checkpointing", False)  # noqa: B010  # `nn.Module` declares tensors and modules alone
    if isinstance(changed, TrunkAndHead) and isinstance(changed.trunk, OpenClipTrunk):
        from timm.utils.model import reparameterize_model

        # Some, such as MobileCLIP's, are trained with branches that one convolution can do the work of.
        changed.trunk.visual = reparameterize_model(changed.trunk.visual)
    return changed


def _generator(batch: int) -> torch.Generator:
    return torch.Generator().manual_seed(batch)
