"""How right a discriminative classifier is on held-out images, as they are and under attack."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from training.datasets import Split, to_unit_range
from training.discriminative.adversary import adversarial_examples
from training.discriminative.recipe import DiscriminativeRecipe

_BATCH = 500


@dataclass(frozen=True)
class Validation:
    """The share of held-out images that is right, and of those under attack; None where training is not adversarial."""

    accuracy: float
    robust: float | None = None

    @property
    def summary(self) -> str:
        """For a line beside a progress bar."""
        return f"{self.accuracy:.2%} right" + ("" if self.robust is None else f", {self.robust:.1%} under attack")


def validate(network: nn.Module, held_out: Split, recipe: DiscriminativeRecipe) -> Validation:
    """Validates a network in evaluation mode, on the images' device; the attack draws from torch's generator."""
    accuracy = (logits(network, held_out.images).argmax(1) == held_out.labels.cpu()).double().mean().item()
    if recipe.adversarial is None:
        return Validation(accuracy)
    # As far as in training, by shorter steps: all together they cross the ball two and a half times (Madry et al.).
    attack = replace(recipe.adversarial, steps=recipe.robust_steps, relative_step_size=2.5 / recipe.robust_steps)
    images = to_unit_range(held_out.images[: recipe.robust_images])
    labels = held_out.labels[: recipe.robust_images]
    attacked = adversarial_examples(network, images, labels, attack)
    with torch.no_grad():
        robust = (network(attacked).argmax(1) == labels).double().mean().item()
    return Validation(accuracy, robust)


@torch.no_grad()
def logits(network: nn.Module, images: Tensor) -> Tensor:
    """Logits (N, K) on the CPU of images (N, C, H, W) uint8."""
    return torch.cat([network(to_unit_range(batch)).cpu() for batch in images.split(_BATCH)])
