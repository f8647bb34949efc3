"""The processes that `torchrun` starts, and what they tell each other.

DistributedDataParallel does not fit: the objective calls three networks, two optimisers take turns, and an image's loss
depends on the images of the other processes. So what is exchanged is written out: sums and collections that gradients
flow back through, and the gradients themselves.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True)
class Processes:
    """This process among `count`. One alone has every batch for itself and tells nobody anything."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether it is this process that writes."""
        return self.rank == 0

    def part(self, batch: Tensor) -> Tensor:
        """This process's rows of a whole batch: (B, ...) to (B / count, ...)."""
        return batch if self.count == 1 else batch.chunk(self.count)[self.rank]

    def sum(self, part: Tensor) -> Tensor:
        """The sum over all processes; its gradient is that of all their losses together."""
        summed: Tensor = part if self.count == 1 else _Sum.apply(part)  # type: ignore[no-untyped-call]
        return summed

    def collect(self, part: Tensor) -> Tensor:
        """All processes' rows, in order: (B / count, ...) to (B, ...); the gradient as `sum`'s."""
        whole: Tensor = part if self.count == 1 else _Collect.apply(part, self)  # type: ignore[no-untyped-call]
        return whole

    def average_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Gives every parameter the mean of the processes' gradients, in one message."""
        if self.count == 1:
            return
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        flat = self.sum(torch.cat([gradient.flatten() for gradient in gradients])) / self.count
        for gradient, mean in zip(gradients, flat.split([gradient.numel() for gradient in gradients]), strict=True):
            gradient.copy_(mean.view(gradient.shape))

    def follow_first(self, tensors: Iterable[Tensor]) -> None:
        """Overwrites every tensor with the first process's."""
        if self.count > 1:
            for tensor in tensors:
                dist.broadcast(tensor, src=0)

    def wait(self) -> None:
        """Returns once every process has come here."""
        if self.count > 1:
            dist.barrier()


@contextmanager
def started_by_torchrun(device: torch.device) -> Iterator[tuple[Processes, torch.device]]:
    """This process among those that `torchrun` started, and its own device of `device`'s kind; else itself alone."""
    if not dist.is_torchelastic_launched():
        yield Processes(), device
        return
    cuda = device.type == "cuda"
    if cuda:
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if cuda else "gloo", device_id=device if cuda else None)
    try:
        yield Processes(dist.get_rank(), dist.get_world_size()), device
    finally:
        dist.destroy_process_group()


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, part: Tensor) -> Tensor:  # noqa: ARG004 - nothing to remember
        return _all_reduced(part)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ARG004
        return _all_reduced(gradient)


class _Collect(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, part: Tensor, processes: Processes) -> Tensor:
        ctx.processes = processes
        parts = [torch.empty(part.shape, dtype=part.dtype, device=part.device) for _ in range(processes.count)]
        dist.all_gather(parts, part.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.processes.part(_all_reduced(gradient)), None


def _all_reduced(part: Tensor) -> Tensor:
    whole = part.clone(memory_format=torch.contiguous_format)
    dist.all_reduce(whole)
    return whole
