"""Captured towers as files of `torch.export`, for services that run torch."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sightwire_trainer.export.parity import as_tensors, require_parity
from sightwire_trainer.export.tower_programs import Tensors, TowerProgram


def save_torch_program(tower: TowerProgram, path: Path) -> None:
    """Writes the tower to `path` (.pt2), which `torch.export.load` opens without this package.

    Raises:
        ExportError: the file, read again, answers something else than the tower.
    """
    torch.export.save(tower.program, path)
    module = torch.export.load(path).module()

    @torch.inference_mode()
    def run(inputs: Tensors) -> NDArray[np.float32]:
        vectors: NDArray[np.float32] = as_tensors(module(*inputs)).numpy()
        return vectors

    require_parity(f"the torch program {path.name}", tower, run)
