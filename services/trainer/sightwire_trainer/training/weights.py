"""The weights of a model that training changes: what a checkpoint has of it."""

from collections.abc import Mapping

import torch

from sightwire.errors import CorruptDataError
from sightwire_trainer.models.two_tower import TwoTowerModel


def trained_weights(model: TwoTowerModel) -> dict[str, torch.Tensor]:
    """The state of the model without its frozen towers, which come from files that do not change."""
    return {name: tensor for name, tensor in model.state_dict().items() if not name.startswith(_frozen(model))}


def load_trained_weights(model: TwoTowerModel, weights: Mapping[str, torch.Tensor]) -> None:
    """Gives the model what `trained_weights` gave.

    Raises:
        CorruptDataError: they are another model's.
    """
    expected = {(name, tensor.shape) for name, tensor in trained_weights(model).items()}
    given = {(name, tensor.shape) for name, tensor in weights.items()}
    if expected != given:
        differing = ", ".join(sorted({name for name, _ in expected ^ given})[:5])
        raise CorruptDataError(f"the weights are of another model: {differing} are not the same in both")
    model.load_state_dict(dict(weights), strict=False)


def _frozen(model: TwoTowerModel) -> tuple[str, ...]:
    towers = {"text.": model.text, "documents.": model.documents}
    return tuple(prefix for prefix, tower in towers.items() if tower is not None and tower.is_frozen)
