"""Which images a robustness run attacks: the same ones for every classifier of a data set."""

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor

from training.datasets import Split, to_unit_range

_POOL = 200


@dataclass(frozen=True)
class Samples:
    """Images (N, C, H, W) uint8 with labels (N,) int64, and their `indices` (N,) int64 in the split."""

    indices: Tensor
    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def digest(self) -> str:
        """`sha256:<hex>` of the images and labels: results can be paired where it is the same."""
        digest = hashlib.sha256()
        for part in (self.images, self.labels):
            digest.update(part.contiguous().numpy().data)
        return f"sha256:{digest.hexdigest()}"

    def unit_range(self) -> Tensor:
        """The images (N, C, H, W) as float32 in [0, 1]."""
        return to_unit_range(self.images)


def draw_samples(split: Split, count: int, seed: int) -> Samples:
    """Draws `count` of a split's images without replacement; fewer by the same seed are the first of them.

    Raises:
        ValueError: the split has no such number of images.
    """
    if not 1 <= count <= len(split):
        raise ValueError(f"samples: expected 1 to {len(split)}, the images of the split, got {count}")
    indices = torch.randperm(len(split), generator=torch.Generator().manual_seed(seed))[:count]
    chosen = split.subset(indices)
    return Samples(indices, chosen.images, chosen.labels)


def draw_pool(train: Split, seed: int) -> Tensor:
    """Training images (P, C, H, W) in [0, 1] for attacks to start from: nobody's samples, 200 or all of them."""
    return draw_samples(train, min(_POOL, len(train)), seed).unit_range()
