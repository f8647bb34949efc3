"""Random directions: what chance finds where gradients mislead."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from training.attacks.ball import Ball
from training.attacks.best_try import BestTry


@dataclass(frozen=True, kw_only=True)
class Gaussian:
    """`samples` Gaussian directions, each followed to the radius."""

    samples: int = 100
    seed: int = 0

    def __call__(self, classifier: nn.Module, images: Tensor, labels: Tensor, ball: Ball) -> Tensor:
        """An `Attack`."""
        best = BestTry(classifier, images, labels, ball)
        generator = torch.Generator().manual_seed(self.seed)
        for _ in range(self.samples):
            directions = torch.randn(images.shape, generator=generator).to(images)
            best.offer(ball.stride(images, directions))
        return best.images
