"""An attack that sees nothing but answers: Chen et al., HopSkipJumpAttack: A Query-Efficient Decision-Based Attack (S&P
2020), as Foolbox has it. A classifier that hides its gradients hides nothing from it."""

from dataclasses import dataclass
from typing import Any

import torch
from eagerpy.tensor.tensor import Tensor as EagerTensor
from foolbox.attacks.hop_skip_jump import HopSkipJumpAttack
from foolbox.devutils import atleast_kd, flatten
from torch import Tensor, nn

from training.attacks.ball import Ball
from training.attacks.best_try import BestTry
from training.attacks.foolbox_model import foolbox_model
from training.attacks.seeded import seeded
from training.attacks.starts import nearest_other_class


@dataclass(frozen=True, kw_only=True)
class HopSkipJump:
    """Walks along the decision boundary towards each image, and from where that ends straight into the ball.

    It starts from the nearest image of `pool` (P, C, H, W) with another answer; where there is none, it has no try.
    The n-th of `steps` steps asks for `samples` sqrt(n) answers around the place that it is at.
    """

    pool: Tensor
    steps: int = 6
    samples: int = 50
    seed: int = 0

    @torch.no_grad()
    def __call__(self, classifier: nn.Module, images: Tensor, labels: Tensor, ball: Ball) -> Tensor:
        """An `Attack`."""
        best = BestTry(classifier, images, labels, ball)
        starts, possible = nearest_other_class(self.pool, classifier, images, labels)
        # No boundary lies between a start and an image that has another answer already.
        possible &= classifier(images).argmax(1) == labels

        def run(classifier: nn.Module, images: Tensor, labels: Tensor, ball: Ball) -> Tensor:
            attack = _EachByItself(steps=self.steps, initial_gradient_eval_steps=self.samples, constraint=ball.norm)
            model = foolbox_model(classifier, images)
            found: Tensor = attack.run(model, images, labels, starting_points=starts[possible])
            return found

        with seeded(self.seed, images.device):
            best.pursue(run, among=possible)
        return best.images


class _EachByItself(HopSkipJumpAttack):
    """Foolbox divides all directions of a batch by one norm, so that every image's steps shrink with its neighbours."""

    def approximate_gradients(self, *args: Any, **kwargs: Any) -> EagerTensor:
        directions: EagerTensor = super().approximate_gradients(*args, **kwargs)
        directions /= atleast_kd(flatten(directions).norms.l2(axis=-1) + 1e-12, directions.ndim)
        return directions
