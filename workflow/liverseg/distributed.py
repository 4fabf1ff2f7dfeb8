"""One model trained by several processes of one machine, a GPU each, as if by one.

Each process computes its share of every batch. What a loss divides by is summed over the batch of
all (`summed`), and so are the gradients: step by step the same as one process with the same
`training.batch_size`, to float tolerance; bits belong to the number of processes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

PATIENCE = timedelta(hours=12)  # the others wait while the first validates


@dataclass(frozen=True)
class ProcessGroup:
    """This process's number, from 0, and how many train together."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process validates, reports and writes files."""
        return self.rank == 0

    def share(self, samples: range) -> range:
        """This process's part of a batch."""
        return samples[self.rank :: self.size]

    def summed(self, tensor: torch.Tensor) -> torch.Tensor:
        """The sum over all processes; a gradient goes back to this process's own part alone."""
        if self.size == 1:
            return tensor
        return _Summed.apply(tensor)

    def sum_gradients(self, network: nn.Module) -> None:
        """Add up the gradients of all processes, in place, in one exchange."""
        if self.size == 1:
            return
        gradients = [one.grad for one in network.parameters() if one.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        parts = flat.split([gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view(gradient.shape))

    def highest(self, value: int) -> int:
        """The greatest of all processes' numbers."""
        if self.size == 1:
            return value
        shared = torch.tensor(value)
        dist.all_reduce(shared, dist.ReduceOp.MAX)
        return int(shared)

    def told(self, value: Any) -> Any:
        """What the first process holds, for all; they wait for it."""
        if self.size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0, device=torch.device("cpu"))
        return box[0]


ALONE = ProcessGroup()


@contextmanager
def joined(rank: int, size: int, meeting: Path) -> Iterator[ProcessGroup]:
    """Join the group that meets at the file `meeting`; with CUDA, process N takes device N."""
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(rank)
    # Numbers and records travel by gloo, gradients on CUDA by NCCL.
    dist.init_process_group(
        "cpu:gloo,cuda:nccl" if cuda else "gloo",
        init_method=meeting.absolute().as_uri(),
        rank=rank,
        world_size=size,
        timeout=PATIENCE,
    )
    try:
        yield ProcessGroup(rank, size)
    finally:
        dist.destroy_process_group()


class _Summed(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, tensor: torch.Tensor) -> torch.Tensor:
        total = tensor.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> torch.Tensor:
        return gradient
