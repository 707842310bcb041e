"""What the trainer's tests share."""

from pathlib import Path

import pytest
import torch

from models.recipes.default_bundle import build_default_bundle

REPOSITORY = Path(__file__).parents[3]

torch.set_num_threads(2)


@pytest.fixture(scope="session")
def bundle_folder() -> Path:
    """The complete default bundle, built once."""
    return build_default_bundle(REPOSITORY / ".models")
