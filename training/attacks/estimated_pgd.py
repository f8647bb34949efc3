"""Projected gradient descent without gradients: they are estimated from answers by evolution strategies (Ilyas et al.,
Black-box Adversarial Attacks with Limited Queries and Information, ICML 2018), as Foolbox has it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from eagerpy.astensor import astensor
from eagerpy.tensor.tensor import Tensor as EagerTensor
from foolbox.gradient_estimators import evolutionary_strategies_gradient_estimator
from foolbox.models.base import Model
from torch import Tensor, nn

from training.attacks.ball import Ball
from training.attacks.best_try import BestTry
from training.attacks.classifiers import margins
from training.attacks.descent import IN_BALLS, InBall, descend
from training.attacks.seeded import seeded


@dataclass(frozen=True, kw_only=True)
class EstimatedPGD:
    """One run of `steps` steps from the image itself, each by `samples` logits at Gaussian distances of `sigma`.

    It climbs the margin by which the label is behind. The adaptive gradient has no part in it, so that a classifier
    which only misleads gradients is found out.
    """

    steps: int = 50
    samples: int = 50
    sigma: float = 0.01
    seed: int = 0

    def __call__(self, classifier: nn.Module, images: Tensor, labels: Tensor, ball: Ball) -> Tensor:
        """An `Attack`."""
        best = BestTry(classifier, images, labels, ball)
        with seeded(self.seed, images.device):
            best.pursue(self._run)
        return best.images

    def _run(self, classifier: nn.Module, images: Tensor, labels: Tensor, ball: Ball) -> Tensor:
        kind = evolutionary_strategies_gradient_estimator(
            _of_its_own_margin(IN_BALLS[ball.norm]), samples=self.samples, sigma=self.sigma, bounds=(0, 1), clip=True
        )
        return descend(cast(type[InBall], kind), classifier, images, labels, ball, steps=self.steps, start=images)


def _of_its_own_margin(kind: type[InBall]) -> type[InBall]:
    def get_loss_fn(_: InBall, model: Model, labels: EagerTensor) -> Callable[[EagerTensor], EagerTensor]:
        # Foolbox sums the loss over the batch, so that every image's estimate would have its neighbours' noise in it.
        return lambda x: astensor(-margins(model(x).raw, labels.raw).view(-1, 1, 1, 1).to(x.raw))

    return type(kind.__name__ + "OfItsOwnMargin", (kind,), {"get_loss_fn": get_loss_fn})
