"""Which parameters learn at which rate, and which of them decay."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from torch import nn

from sightwire_trainer.configuration import OptimiserConfiguration

Part = Literal["trunk", "head", "text"]


def is_of_trunk(group: Mapping[str, Any]) -> bool:
    """Whether a group of `parameter_groups` has weights of the trunk."""
    return str(group["name"]).split()[0] == "trunk"


def parameter_groups(
    parts: Iterable[tuple[Part, nn.Module]], configuration: OptimiserConfiguration
) -> list[dict[str, Any]]:
    """Groups for AdamW with `name`, `params`, `lr` and `weight_decay`; without those that would be empty.

    Norms, biases and other vectors do not decay: nothing is gained by making them small, and a norm's scale is not
    the size of a function (Loshchilov & Hutter 2019 decay what multiplies features).
    """
    rates = {"trunk": configuration.trunk_rate, "head": configuration.head_rate, "text": configuration.text_rate}
    parameters: dict[tuple[Part, bool], list[nn.Parameter]] = {}
    for part, module in parts:
        for parameter in module.parameters():
            if parameter.requires_grad:
                parameters.setdefault((part, parameter.ndim > 1), []).append(parameter)
    return [
        {
            "name": part if decays else f"{part} without decay",
            "params": members,
            "lr": rates[part],
            "weight_decay": configuration.weight_decay if decays else 0.0,
        }
        for (part, decays), members in parameters.items()
    ]
