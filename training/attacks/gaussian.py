"""Gaussian noise with increasingly large standard deviation (section 4.2): what chance finds where gradients do not
lead."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from training.attacks.ball import Ball
from training.attacks.best_try import BestTry
from training.attacks.draws import Draws

# In an Linf ball, at the last level: of the radius. Two pixels of three are then clipped to the surface.
_LARGEST_DEVIATION = 2.0


@dataclass(frozen=True, kw_only=True)
class Gaussian:
    """`samples` draws of noise, each at `levels` standard deviations that rise by equal steps, drawn into the ball.

    In an L2 ball noise is scaled, so that at the last level it reaches the radius; in an Linf ball it is clipped.
    Foolbox has Gaussian noise for L2 balls alone, which is `levels` = 1.
    """

    samples: int = 100
    levels: int = 1
    seed: int = 0

    def __call__(self, classifier: nn.Module, images: Tensor, labels: Tensor, ball: Ball) -> Tensor:
        """An `Attack`."""
        best, draws = BestTry(classifier, images, labels, ball), Draws(images, self.seed)
        for _ in range(self.samples):
            noise = torch.zeros_like(images)
            noise[best.standing] = draws.normal(best.standing)
            for level in range(1, self.levels + 1):
                best.offer(_noisy(images, noise, ball, level / self.levels))
        return best.images


def _noisy(images: Tensor, noise: Tensor, ball: Ball, share: float) -> Tensor:
    if ball.norm == "linf":
        deviations = share * _LARGEST_DEVIATION * ball.radii.to(images).view(-1, 1, 1, 1)
        return ball.confine(images, images + deviations * noise)
    return Ball("l2", share * ball.radii).stride(images, noise)
