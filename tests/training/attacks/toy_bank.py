"""A prototype bank that every attack can be tried on within a second, and images between its prototypes."""

import torch
from torch import Tensor

from eabs.prototypes import PrototypeBank

CLASSES = 4


def toy_bank(*, per_class: int = 6, seed: int = 0) -> PrototypeBank:
    generator = torch.Generator().manual_seed(seed)
    count = per_class * CLASSES
    images = torch.rand(count, 1, 8, 8, generator=generator)
    classes = torch.arange(CLASSES).repeat_interleave(per_class)
    return PrototypeBank.of_images(images, 0.2 * torch.rand(count, generator=generator), classes)


def toy_pixels(count: int, *, seed: int = 1) -> Tensor:
    """Images (N, 1, 8, 8) uint8."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(256, (count, 1, 8, 8), generator=generator, dtype=torch.uint8)


def toy_images(count: int, *, seed: int = 1) -> Tensor:
    """The same as float32 in [0, 1]."""
    return toy_pixels(count, seed=seed).float() / 255
