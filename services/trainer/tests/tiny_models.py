"""Two-tower models of some thousand weights, with statistics as if they had been trained."""

from pathlib import Path
from typing import Any

import torch
from sightwire_trainer.configuration import ModelConfiguration, TrainingConfiguration, parse_configuration
from sightwire_trainer.models.building import build_model
from sightwire_trainer.models.two_tower import TwoTowerModel
from torch import nn

TEXT: dict[str, Any] = {"kind": "transformer", "width": 16, "depth": 1, "heads": 2, "max_tokens": 16}
CONVNET: dict[str, Any] = {"kind": "convnet", "depths": [1, 1], "widths": [8, 16]}


def tiny_configuration(bundle: Path, **model: Any) -> TrainingConfiguration:
    """A run of a model with these parts; it is never run."""
    content = {
        "name": "tiny",
        "version": "1",
        "space": "tiny-1",
        "data": {"train": [{"kind": "tar", "path": "train.tar"}]},
        "model": {"bundle": str(bundle), "size": 32, "dimension": 16, "head_widths": [24]} | model,
    }
    return parse_configuration(content, base=Path(), name="the test's configuration")


def tiny_model(configuration: ModelConfiguration, *, seed: int = 0) -> TwoTowerModel:
    """The model in evaluation mode; its batch norms have seen something."""
    model = build_model(configuration, seed=seed).eval()
    with_statistics(model, seed)
    return model


def with_statistics(module: nn.Module, seed: int = 0) -> None:
    """Gives all batch norms means and variances other than 0 and 1."""
    generator = torch.Generator().manual_seed(seed)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            assert part.running_mean is not None
            assert part.running_var is not None
            part.running_mean.copy_(torch.randn(part.running_mean.shape, generator=generator) / 10)
            part.running_var.copy_(torch.rand(part.running_var.shape, generator=generator) + 0.5)
