"""Where a run computes."""

from typing import Literal

import torch

from sightwire.errors import ConfigurationError


def device_kind(wanted: Literal["auto", "cpu", "cuda"]) -> Literal["cpu", "cuda"]:
    """A GPU if there is one and none forbids it.

    Raises:
        ConfigurationError: a GPU is wanted and there is none.
    """
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ConfigurationError(
            "`device: cuda` wants a GPU and torch finds none: install torch for CUDA, or set `device: auto`"
        )
    return wanted
