"""Layers that look at the whole batch although each process has a part of it.

The result is that of one process up to rounding: statistics are summed over the processes, and every process draws
the dropout of the whole batch with the same seed and keeps its own rows. (torch's SyncBatchNorm needs CUDA.)
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from eabs.class_networks import ClassBatchNorm2d
from training.parallel.processes import Processes


class SharedBatchNorm2d(nn.BatchNorm2d):
    """BatchNorm over the images of all processes, of which each has equally many."""

    def __init__(self, alone: nn.BatchNorm2d, processes: Processes) -> None:
        super().__init__(alone.num_features, alone.eps, alone.momentum)
        self.load_state_dict(alone.state_dict())
        self._processes = processes

    def forward(self, features: Tensor) -> Tensor:
        """(B / count, C, H, W) to the same shape."""
        if not self.training:
            return super().forward(features)
        count = self._processes.count * features.numel() // self.num_features
        wide = features.to(torch.promote_types(features.dtype, torch.float32))
        mean = self._processes.sum(wide.sum((0, 2, 3))) / count
        centred = wide - mean[:, None, None]
        variance = self._processes.sum(centred.square().sum((0, 2, 3))) / count
        self._remember(mean.detach(), variance.detach() * count / (count - 1))
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(features.dtype)

    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        assert self.running_mean is not None  # noqa: S101 - for mypy: all of ours track their statistics
        assert self.running_var is not None  # noqa: S101
        assert self.num_batches_tracked is not None  # noqa: S101
        assert self.momentum is not None  # noqa: S101
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)
        self.num_batches_tracked += 1


class SharedDropout(nn.Dropout):
    """Dropout that drops what it would drop of the whole batch."""

    def __init__(self, alone: nn.Dropout, processes: Processes) -> None:
        super().__init__(alone.p)
        self._processes = processes

    def forward(self, features: Tensor) -> Tensor:
        """(B / count, ...) to the same shape."""
        if not self.training:
            return features
        # Random numbers go to a tensor's elements in the order of its memory.
        order = sorted(range(features.dim()), key=features.stride, reverse=True)
        shape = (len(features) * self._processes.count, *features.shape[1:])
        ones = features.new_ones([shape[dimension] for dimension in order])
        whole = ones.permute([order.index(dimension) for dimension in range(features.dim())])
        return features * self._processes.part(F.dropout(whole, self.p))


def share_batches(model: nn.Module, processes: Processes) -> None:
    """Makes every BatchNorm and dropout of a model the whole batch's, in place, if several processes share it."""
    if processes.count == 1:
        return
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if type(child) is nn.BatchNorm2d:
                parent.add_module(name, SharedBatchNorm2d(child, processes))
            elif isinstance(child, ClassBatchNorm2d):
                child.total = processes.sum
            elif type(child) is nn.Dropout:
                parent.add_module(name, SharedDropout(child, processes))
