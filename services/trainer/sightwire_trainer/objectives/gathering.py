"""Batches of all processes as one, with gradients that find back to where the rows came from."""

from typing import Any

import torch
from torch import distributed


def gather_rows(rows: torch.Tensor) -> torch.Tensor:
    """[batch, …] of each process to [processes * batch, …], in the order of the ranks; alone, `rows` itself.

    Gradients of all processes for a row are summed in the process that it came from: DistributedDataParallel, which
    then takes the mean over the processes, minimises the mean of their losses. All batches must be of one size.
    """
    if process_count() == 1:
        return rows
    gathered: torch.Tensor = _Gather.apply(rows)
    return gathered


def process_count() -> int:
    """How many processes train together; 1 outside of `torchrun`."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def process_rank() -> int:
    """The number of this process among them."""
    return distributed.get_rank() if process_count() > 1 else 0


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(_context: Any, rows: torch.Tensor) -> torch.Tensor:
        parts = [torch.empty_like(rows) for _ in range(process_count())]
        distributed.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(_context: Any, gradient: torch.Tensor) -> torch.Tensor:
        total = gradient.contiguous().clone()
        distributed.all_reduce(total)
        return total.chunk(process_count())[process_rank()]
