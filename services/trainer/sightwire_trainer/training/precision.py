"""The number formats of a run: float32, or half the bits for most of the work."""

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, Literal

import torch
from torch.optim import Optimizer

from sightwire_trainer.training.divergence import require_finite

Precision = Literal["float32", "bfloat16", "float16"]

_FORMATS: Final = {"bfloat16": torch.bfloat16, "float16": torch.float16}


class MixedPrecision:
    """Encoders run in the format asked for; weights, losses and optimiser stay in float32.

    float16 has a short range, so that its losses are scaled up and gradients that overflow are left out.
    """

    def __init__(self, precision: Precision, device: torch.device) -> None:
        self._format = _FORMATS.get(precision)
        self._device = device
        self._scaler = torch.amp.GradScaler(device.type, enabled=precision == "float16")

    def encoding(self) -> AbstractContextManager[Any]:
        """The block in which encoders run."""
        if self._format is None:
            return nullcontext()
        return torch.autocast(self._device.type, dtype=self._format)

    def backward(self, loss: torch.Tensor) -> None:
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]

    def step(self, optimiser: Optimizer, parameters: list[torch.Tensor], *, clip_norm: float) -> None:
        """One step of the optimiser; gradients of a larger norm than `clip_norm` are shortened, unless it is 0.

        In float16 gradients that are not finite are left out, with a smaller scale from then on.

        Raises:
            DivergedError: in the other formats, gradients are not finite; weights are as they were.
        """
        self._scaler.unscale_(optimiser)
        norm = torch.nn.utils.clip_grad_norm_(parameters, clip_norm or math.inf)
        if not self._scaler.is_enabled():
            require_finite("the norm of the gradients", norm.item())
        self._scaler.step(optimiser)
        self._scaler.update()

    def state_dict(self) -> dict[str, Any]:
        return self._scaler.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if state:
            self._scaler.load_state_dict(state)
