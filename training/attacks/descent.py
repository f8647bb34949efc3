"""Foolbox's projected gradient descent, in balls that have a radius for each image."""

from collections.abc import Mapping
from typing import Any

from eagerpy.astensor import astensor
from eagerpy.tensor.tensor import Tensor as EagerTensor
from foolbox.attacks.gradient_descent_base import BaseGradientDescent
from foolbox.attacks.projected_gradient_descent import (
    L2ProjectedGradientDescentAttack,
    LinfProjectedGradientDescentAttack,
)
from torch import Tensor, nn

from training.attacks.ball import Ball, Norm
from training.attacks.foolbox_model import foolbox_model

# Madry's rule: the steps together reach across the ball with some to spare.
_REACH = 2.5


class InBall(BaseGradientDescent):
    """Every place on the way lies in the ball of its image, measured in float64, so that what is found there counts."""

    ball: Ball
    origins: Tensor
    start: Tensor

    def get_random_start(self, *_: Any) -> EagerTensor:
        return astensor(self.ball.confine(self.origins, self.start))

    def project(self, x: EagerTensor, *_: Any) -> EagerTensor:
        return astensor(self.ball.confine(self.origins, x.raw))


class _LinfInBall(InBall, LinfProjectedGradientDescentAttack):
    pass


class _L2InBall(InBall, L2ProjectedGradientDescentAttack):
    pass


IN_BALLS: Mapping[Norm, type[InBall]] = {"linf": _LinfInBall, "l2": _L2InBall}


def descend(
    kind: type[InBall],
    classifier: nn.Module,
    images: Tensor,
    labels: Tensor,
    ball: Ball,
    *,
    steps: int,
    start: Tensor,
) -> Tensor:
    """`steps` steps of 2.5 / `steps` of the radius from `start` (N, C, H, W): the last place (N, C, H, W)."""
    attack = kind(rel_stepsize=_REACH / steps, steps=steps, random_start=True)
    attack.ball, attack.origins, attack.start = ball, images, start
    # Foolbox means one epsilon for a batch, but multiplies by it.
    epsilon = astensor(ball.radii.to(images).view(-1, 1, 1, 1))
    model = foolbox_model(classifier, images)
    found: Tensor = attack.run(model, images, labels, epsilon=epsilon)  # type: ignore[arg-type]
    return found
