"""A network that attacks can be tried on, trained within seconds on real digits."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.datasets import load_dataset, to_unit_range


@dataclass(frozen=True)
class Trained:
    """`classifier` answers all of the images (20, 1, 28, 28) with their labels (20,)."""

    classifier: nn.Module
    images: Tensor
    labels: Tensor


@pytest.fixture(scope="session")
def digits(mnist_folder: Path) -> Trained:
    dataset = load_dataset("mnist", mnist_folder)
    train, labels = to_unit_range(dataset.train.images), dataset.train.labels
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        network = nn.Sequential(
            nn.Conv2d(1, 8, 5, stride=2), nn.ReLU(), nn.Conv2d(8, 16, 5, stride=2), nn.ReLU(), nn.Flatten(),
            nn.Linear(256, 10),
        )  # fmt: skip
        adam = torch.optim.Adam(network.parameters(), 3e-3)
        for _ in range(80):
            loss = F.cross_entropy(network(train + 0.2 * torch.randn_like(train)), labels)
            adam.zero_grad()
            loss.backward()
            adam.step()
    network.eval().requires_grad_(False)
    images, labels = to_unit_range(dataset.test.images), dataset.test.labels
    assert torch.equal(network(images).argmax(1), labels)
    return Trained(network, images, labels)
