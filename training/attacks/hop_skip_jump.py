"""An attack that sees nothing but answers: Chen et al., HopSkipJumpAttack: A Query-Efficient Decision-Based Attack (S&P
2020), as Foolbox has it. A classifier that hides its gradients hides nothing from it."""

from dataclasses import dataclass
from typing import Any

import torch
from eagerpy.tensor.tensor import Tensor as EagerTensor
from foolbox.attacks.hop_skip_jump import HopSkipJumpAttack
from foolbox.devutils import atleast_kd, flatten
from foolbox.models.pytorch import PyTorchModel
from torch import Tensor, nn

from training.attacks.ball import Ball
from training.attacks.best_try import BestTry
from training.attacks.seeded import seeded


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
        starts, possible = self._starts(classifier, images, labels)
        # No boundary lies between a start and an image that has another answer already.
        possible &= classifier(images).argmax(1) == labels
        found = images.clone()
        if possible.any():
            model = PyTorchModel(classifier, bounds=(0, 1), device=images.device)
            attack = _EachByItself(steps=self.steps, initial_gradient_eval_steps=self.samples, constraint=ball.norm)
            with seeded(self.seed, images.device):
                found[possible] = attack.run(
                    model, images[possible], labels[possible], starting_points=starts[possible]
                )
        best.offer(found)
        best.offer(ball.stride(images, found - images))
        return best.images

    def _starts(self, classifier: nn.Module, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The nearest images of the pool that are not answered `labels`, and whether there is one at all."""
        pool = self.pool.to(images)
        answers = torch.cat([classifier(part).argmax(1) for part in pool.split(len(images))])
        distances = torch.cdist(images.flatten(1), pool.flatten(1))
        distances = distances.masked_fill(answers == labels[:, None], torch.inf)
        nearest = distances.min(1)
        return pool[nearest.indices], nearest.values.isfinite()


class _EachByItself(HopSkipJumpAttack):
    """Foolbox divides all directions of a batch by one norm, so that every image's steps shrink with its neighbours."""

    def approximate_gradients(self, *args: Any, **kwargs: Any) -> EagerTensor:
        directions: EagerTensor = super().approximate_gradients(*args, **kwargs)
        directions /= atleast_kd(flatten(directions).norms.l2(axis=-1) + 1e-12, directions.ndim)
        return directions
