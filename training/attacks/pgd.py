"""Projected gradient descent: Madry et al., Towards Deep Learning Models Resistant to Adversarial Attacks (ICLR 2018),
as Foolbox has it."""

from dataclasses import dataclass

from torch import Tensor, nn

from training.attacks.ball import Ball
from training.attacks.best_try import BestTry
from training.attacks.classifiers import Unsaturated
from training.attacks.descent import IN_BALLS, descend
from training.attacks.draws import Draws


@dataclass(frozen=True, kw_only=True)
class PGD:
    """`restarts` runs of `steps` steps of 2.5 / `steps` of the radius, uphill on the cross-entropy.

    One starts from the image itself, the others from random points of the ball, for the images that still stand.
    """

    steps: int = 40
    restarts: int = 3
    seed: int = 0

    def __call__(self, classifier: nn.Module, images: Tensor, labels: Tensor, ball: Ball) -> Tensor:
        """An `Attack`."""
        best, draws = BestTry(classifier, images, labels, ball), Draws(images, self.seed)
        for restart in range(self.restarts):
            standing = best.standing
            start = draws.points(standing, ball) if restart else images[standing]

            def run(classifier: nn.Module, images: Tensor, labels: Tensor, ball: Ball, start: Tensor = start) -> Tensor:
                kind = IN_BALLS[ball.norm]
                return descend(kind, Unsaturated(classifier), images, labels, ball, steps=self.steps, start=start)

            best.pursue(run)
        return best.images
