"""Training a CNN: Adam on the cross-entropy of noisy images."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from training.architectures import architecture_for
from training.baselines.cnn import Cnn
from training.baselines.recipe import CnnRecipe
from training.datasets import Dataset, Split, holdout, to_unit_range

_BATCH = 500
_FEWEST_UPDATES = 20  # that a learning rate can warm up and fall again in


@dataclass(frozen=True)
class Epoch:
    """After `done` epochs: the last batch's cross-entropy, and the share of validation images that are right."""

    done: int
    loss: float
    validation_accuracy: float


def train_cnn(
    dataset: Dataset, recipe: CnnRecipe, *, device: torch.device, report: Callable[[Epoch], None] = lambda _: None
) -> Cnn:
    """Trains on what `eabs train` trains on with the same seed, and validates on what it holds out.

    Returns:
        The network after the last epoch, in evaluation mode, on the CPU.

    Raises:
        ValueError: the training split is smaller than a batch, or too small for as few epochs.
    """
    train, held_out = (part.to(device) for part in holdout(dataset.train, recipe.validation_fraction, recipe.seed))
    if len(train) < recipe.batch:
        raise ValueError(f"batch: expected at most the {len(train)} training images, got {recipe.batch}")
    steps = len(train) // recipe.batch
    if recipe.epochs * steps < _FEWEST_UPDATES:
        raise ValueError(
            f"epochs, batch: expected at least {_FEWEST_UPDATES} updates, got {recipe.epochs} epochs of {steps}"
        )
    torch.manual_seed(recipe.seed)
    network = Cnn(architecture_for(dataset)).to(device)
    adam = torch.optim.Adam(network.parameters(), recipe.learning_rate)
    cycle = torch.optim.lr_scheduler.OneCycleLR(adam, recipe.learning_rate, recipe.epochs * steps, pct_start=0.1)
    for epoch in range(recipe.epochs):
        network.train()
        loss = torch.zeros(())
        for indices in torch.randperm(len(train), device=device)[: steps * recipe.batch].split(recipe.batch):
            images = to_unit_range(train.images[indices])
            images = images + recipe.augmentation_std * torch.randn_like(images)
            loss = F.cross_entropy(network(images), train.labels[indices])
            adam.zero_grad(set_to_none=True)
            loss.backward()
            adam.step()
            cycle.step()
        network.eval()
        report(Epoch(epoch + 1, loss.item(), accuracy(network, held_out)))
    return network.cpu().eval().requires_grad_(False)


def accuracy(network: Cnn, split: Split) -> float:
    """The share of a split's images that the network, in evaluation mode, classifies as labelled."""
    return (logits(network, split.images).argmax(1) == split.labels.cpu()).double().mean().item()


@torch.no_grad()
def logits(network: Cnn, images: Tensor) -> Tensor:
    """Logits (N, K) on the CPU of images (N, C, H, W) uint8."""
    return torch.cat([network(to_unit_range(batch)).cpu() for batch in images.split(_BATCH)])
