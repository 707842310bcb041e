"""An exponential moving average of a model's weights."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import nn


class AveragedWeights:
    """Follows the trained weights of a model, and its floating-point buffers such as the statistics of batch norms.

    Buffers are averaged as weights are: statistics gathered with other weights would not fit the averaged ones.
    Counters are taken as they are.
    """

    def __init__(self, model: nn.Module, *, decay: float) -> None:
        self._model = model
        self._decay = decay
        self._average: dict[str, torch.Tensor] = {}

    @property
    def has_begun(self) -> bool:
        return bool(self._average)

    @torch.no_grad()
    def update(self) -> None:
        """Takes in the model's weights of now; the first time they are the average."""
        live = _averaged_tensors(self._model)
        if not self._average:
            self._average = {name: tensor.detach().clone() for name, tensor in live.items()}
            return
        for name, tensor in live.items():
            if tensor.is_floating_point():
                self._average[name].lerp_(tensor, 1 - self._decay)
            else:
                self._average[name].copy_(tensor)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The model has the averaged weights inside the block, and its own again after it."""
        if not self._average:
            yield
            return
        live = _averaged_tensors(self._model)
        own = {name: tensor.detach().clone() for name, tensor in live.items()}
        _copy(self._average, live)
        try:
            yield
        finally:
            _copy(own, live)

    def copy_to_model(self) -> None:
        """The model has the averaged weights from now on, if averaging has begun."""
        _copy(self._average, _averaged_tensors(self._model))

    def state_dict(self) -> dict[str, torch.Tensor]:
        return dict(self._average)

    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> None:
        live = _averaged_tensors(self._model)
        self._average = {
            name: torch.empty_like(live[name], requires_grad=False).copy_(tensor) for name, tensor in state.items()
        }


def _averaged_tensors(model: nn.Module) -> dict[str, torch.Tensor]:
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    return trained | dict(model.named_buffers())


@torch.no_grad()
def _copy(source: Mapping[str, torch.Tensor], destination: Mapping[str, torch.Tensor]) -> None:
    for name, tensor in source.items():
        destination[name].copy_(tensor)
