"""Projected gradient descent: Madry et al., Towards Deep Learning Models Resistant to Adversarial Attacks (ICLR 2018),
as Foolbox has it."""

from dataclasses import dataclass

from eagerpy.astensor import astensor
from eagerpy.tensor.tensor import Tensor as EagerTensor
from foolbox.attacks.gradient_descent_base import clip_lp_norms
from foolbox.attacks.projected_gradient_descent import (
    L2ProjectedGradientDescentAttack,
    LinfProjectedGradientDescentAttack,
)
from foolbox.models.pytorch import PyTorchModel
from torch import Tensor, nn

from training.attacks.ball import Ball
from training.attacks.best_try import BestTry
from training.attacks.classifiers import Unsaturated
from training.attacks.seeded import seeded


@dataclass(frozen=True, kw_only=True)
class PGD:
    """`restarts` runs of `steps` steps: one from the image itself, the others from random points of the ball."""

    steps: int = 40
    restarts: int = 3
    seed: int = 0

    def __call__(self, classifier: nn.Module, images: Tensor, labels: Tensor, ball: Ball) -> Tensor:
        """An `Attack`."""
        best = BestTry(classifier, images, labels, ball)
        model = PyTorchModel(Unsaturated(classifier), bounds=(0, 1), device=images.device)
        epsilon = astensor(ball.radii.to(images).view(-1, 1, 1, 1))
        kind = _LinfEachItsRadius if ball.norm == "linf" else _L2EachItsRadius
        with seeded(self.seed, images.device):
            for restart in range(self.restarts):
                # Madry's rule: the steps together reach across the ball with some to spare.
                attack = kind(steps=self.steps, rel_stepsize=2.5 / self.steps, random_start=restart > 0)
                found = attack.run(model, images, labels, epsilon=epsilon)  # type: ignore[arg-type]
                # Clipping to [0, 1] after the projection may have left some of the radius.
                best.offer(ball.stride(images, found - images))
        return best.images


# Foolbox means one epsilon for a batch, but only these parts of it cannot do with (N, 1, 1, 1) of them.


class _L2EachItsRadius(L2ProjectedGradientDescentAttack):
    def project(self, x: EagerTensor, x0: EagerTensor, epsilon: float) -> EagerTensor:
        confined: EagerTensor = x0 + clip_lp_norms((x - x0) / epsilon, norm=1.0, p=2) * epsilon
        return confined


class _LinfEachItsRadius(LinfProjectedGradientDescentAttack):
    def get_random_start(self, x0: EagerTensor, epsilon: float) -> EagerTensor:
        start: EagerTensor = x0 + epsilon * x0.uniform(x0.shape, -1.0, 1.0)
        return start

    def project(self, x: EagerTensor, x0: EagerTensor, epsilon: float) -> EagerTensor:
        confined: EagerTensor = x0 + ((x - x0) / epsilon).clip(-1, 1) * epsilon
        return confined
