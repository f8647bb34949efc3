"""What a data set is once it is read.

A split's images stay bytes, as the files have them; batches become floats in [0, 1] on the training device.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

Mode = Literal["L", "RGB"]

LIKE: dict[Mode, str] = {"L": "mnist", "RGB": "supertraffic10"}
"""The official set whose image size, networks and noise a folder's images get."""


class DatasetError(Exception):
    """A data set's file is missing or is not what its format says."""


@dataclass(frozen=True)
class Split:
    """Images (N, C, H, W) uint8 and labels (N,) int64, in the order of the source.

    `objects` (N,) int64 numbers what was photographed: images of one number show the same physical object. None where
    that is not known, or every image shows another one.
    """

    images: Tensor
    labels: Tensor
    objects: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, indices: Tensor) -> "Split":
        """The images at `indices` (n,), in that order."""
        objects = None if self.objects is None else self.objects[indices]
        return Split(self.images[indices], self.labels[indices], objects)

    def to(self, device: torch.device) -> "Split":
        """The same split on another device."""
        objects = None if self.objects is None else self.objects.to(device)
        return Split(self.images.to(device), self.labels.to(device), objects)


@dataclass(frozen=True)
class Dataset:
    """One data set: its training and test splits, and the sha256 of every file that they were read from.

    `mode` is that of a folder's images; an official set's is known by its name.
    """

    name: str
    labels: tuple[str, ...]
    train: Split
    test: Split
    sources: dict[str, str]
    mode: Mode | None = None

    @property
    def like(self) -> str:
        """The official set whose networks and noise this one gets: itself, if it is one."""
        return self.name if self.mode is None else LIKE[self.mode]


def split_from_arrays(source: str, images: np.ndarray, labels: np.ndarray, *, classes: int) -> Split:
    """A split of arrays that a file held.

    Args:
        source: what the labels were read from, for messages.
        images: (N, C, H, W) uint8.
        labels: (N,) of any integer type, class indices.
        classes: K; every label must be in 0..K-1.

    Raises:
        DatasetError: there are no images, not one label for each, or labels of no class.
    """
    if len(images) != len(labels):
        raise DatasetError(f"{source}: {len(images)} images but {len(labels)} labels")
    if len(labels) == 0:
        raise DatasetError(f"{source}: expected images, got none")
    if labels.max() >= classes:
        raise DatasetError(f"{source}: expected labels below {classes}, got {labels.max()}")
    if labels.min() < 0:
        raise DatasetError(f"{source}: expected labels from 0, got {labels.min()}")
    return Split(torch.from_numpy(np.ascontiguousarray(images)), torch.from_numpy(labels.astype(np.int64)))


def holdout(split: Split, fraction: float, seed: int) -> tuple[Split, Split]:
    """Splits at random into (kept, held out); the held-out part is `fraction` of it (section 4.1: 10 %).

    No object is in both: where objects are known they are drawn whole, until another would be more than the fraction.
    """
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(split), generator=generator)
    size = round(len(split) * fraction)
    if split.objects is None:
        return split.subset(order[size:]), split.subset(order[:size])
    _, objects, counts = split.objects.unique(return_inverse=True, return_counts=True)
    drawn = torch.randperm(len(counts), generator=generator)
    held_out = torch.zeros(len(counts), dtype=torch.bool)
    held_out[drawn[counts[drawn].cumsum(0) <= size]] = True
    chosen = held_out[objects[order]]
    return split.subset(order[~chosen]), split.subset(order[chosen])


def to_unit_range(images: Tensor) -> Tensor:
    """Bytes 0..255 to float32 in [0, 1], of the same shape."""
    return images.float() / 255
