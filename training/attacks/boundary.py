"""The Boundary attack: Brendel et al., Decision-Based Adversarial Attacks: Reliable Attacks Against Black-Box Machine
Learning Models (ICLR 2018), as Foolbox has it. It sees nothing but answers."""

from dataclasses import dataclass

import torch
from foolbox.attacks.boundary_attack import BoundaryAttack
from torch import Tensor, nn

from training.attacks.ball import Ball
from training.attacks.best_try import BestTry
from training.attacks.foolbox_model import foolbox_model
from training.attacks.seeded import seeded
from training.attacks.starts import nearest_other_class


@dataclass(frozen=True, kw_only=True)
class Boundary:
    """A random walk of `steps` steps along the decision boundary, each a little nearer to its image. L2 only.

    It starts from the nearest image of `pool` (P, C, H, W) with another answer, where the paper takes any; where there
    is none, it has no try. A step is one answer, and every tenth two.
    """

    pool: Tensor
    steps: int = 1000
    seed: int = 0

    @torch.no_grad()
    def __call__(self, classifier: nn.Module, images: Tensor, labels: Tensor, ball: Ball) -> Tensor:
        """An `Attack`."""
        ball.require("l2")
        best = BestTry(classifier, images, labels, ball)
        starts, possible = nearest_other_class(self.pool, classifier, images, labels)
        # No boundary lies between a start and an image that has another answer already.
        possible &= classifier(images).argmax(1) == labels

        def run(classifier: nn.Module, images: Tensor, labels: Tensor, _: Ball) -> Tensor:
            model = foolbox_model(classifier, images)
            found: Tensor = BoundaryAttack(steps=self.steps).run(
                model, images, labels, starting_points=starts[possible]
            )
            return found

        with seeded(self.seed, images.device):
            best.pursue(run, among=possible)
        return best.images
