"""The processes of one run: one alone, or several that torchrun started, each with its share of every batch."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True, slots=True)
class Processes:
    """Which process of a run this one is, and what they do together; alone, each of it does nothing."""

    rank: int = 0
    count: int = 1
    #: Of this machine, which names the GPU.
    local_rank: int = 0

    @property
    def is_first(self) -> bool:
        """Whether this one writes, evaluates and tells."""
        return self.rank == 0

    def wrap(self, model: nn.Module, *, parts_may_rest: bool = False) -> nn.Module:
        """The model, whose gradients are averaged over all processes.

        With `parts_may_rest`, there may be steps in which some of it gets no gradients, which costs a little. On GPUs
        batch norms see the pictures of all; CPUs have no such norm, each normalises by its own batch.
        """
        if self.count == 1:
            return model
        if next(model.parameters()).is_cuda:
            model = nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
        return DistributedDataParallel(model, find_unused_parameters=parts_may_rest)

    def wait(self) -> None:
        """Until all processes are here."""
        if self.count > 1:
            dist.barrier()

    def any(self, flag: bool, device: torch.device) -> bool:
        """Whether it is so in any process."""
        if self.count == 1:
            return flag
        flags = torch.tensor(int(flag), device=device)
        dist.all_reduce(flags, op=dist.ReduceOp.MAX)
        return bool(flags.item())

    def mean(self, value: torch.Tensor) -> float:
        """The mean of a scalar over all processes; in all of them NaN if it is that in one."""
        if self.count > 1:
            value = value.clone()
            dist.all_reduce(value)
        return value.item() / self.count

    def of_first(self, value: Any) -> Any:
        """What the first process gave, in all of them."""
        if self.count == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values, src=0)
        return values[0]

    def of_each(self, value: Any) -> list[Any]:
        """What each process gave, by rank, in all of them."""
        if self.count == 1:
            return [value]
        values: list[Any] = [None] * self.count
        dist.all_gather_object(values, value)
        return values


@contextmanager
def joined_processes(device_kind: str) -> Iterator[Processes]:
    """The processes of torchrun, by its environment variables, joined until the end of the block; or one alone.

    GPUs speak over NCCL, CPUs over gloo.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Processes()
        return
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    if device_kind == "cuda":
        torch.cuda.set_device(local_rank)
    dist.init_process_group("nccl" if device_kind == "cuda" else "gloo")
    try:
        yield Processes(dist.get_rank(), count, local_rank)
    finally:
        dist.destroy_process_group()
