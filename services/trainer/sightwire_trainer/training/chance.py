"""All states of chance in a run, so that a resumed one draws the numbers that an uninterrupted one would have."""

import random
from typing import Any

import numpy as np
import torch


def seed_everything(seed: int) -> None:
    """Seeds the generators that libraries use on their own: Python's, NumPy's, torch's on all devices."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def state_of_chance(augmentation: torch.Generator) -> dict[str, Any]:
    """The states of all generators, of tensors and plain values alone."""
    kind, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)
    version, internal, following = random.getstate()
    return {
        "python": (version, list(internal), following),
        "numpy": (str(kind), torch.from_numpy(np.asarray(keys).astype(np.int64)), position, has_gauss, gauss),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
        "augmentation": augmentation.get_state(),
    }


def restore_chance(state: dict[str, Any], augmentation: torch.Generator) -> None:
    """The opposite of `state_of_chance`."""
    version, internal, following = state["python"]
    random.setstate((version, tuple(internal), following))
    kind, keys, position, has_gauss, gauss = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), position, has_gauss, gauss))
    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
    augmentation.set_state(state["augmentation"])
