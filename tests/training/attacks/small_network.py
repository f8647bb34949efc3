"""A small convolutional network that has learnt to tell four textures apart, in a second."""

from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.training.attacks.toy_bank import CLASSES


def draw_textures(count: int, *, seed: int) -> tuple[Tensor, Tensor]:
    """Images (N, 1, 8, 8) of one of four random textures under noise, and which (N,)."""
    textures = torch.rand(CLASSES, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(CLASSES, (count,), generator=generator)
    noise = 0.3 * torch.randn(count, 1, 8, 8, generator=generator)
    return (textures[labels] + noise).clamp(0, 1), labels


@cache
def small_network() -> nn.Module:
    """Right about nearly all of them."""
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        network = nn.Sequential(
            nn.Conv2d(1, 8, 3),
            nn.ReLU(),
            nn.Conv2d(8, 16, 3, stride=2),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(64, CLASSES),
        )
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    images, labels = draw_textures(512, seed=1)
    for _ in range(100):
        optimiser.zero_grad()
        F.cross_entropy(network(images), labels).backward()
        optimiser.step()
    return network.eval().requires_grad_(False)
