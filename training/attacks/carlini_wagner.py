"""The L2 attack of Carlini & Wagner, Towards Evaluating the Robustness of Neural Networks (S&P 2017), as Foolbox has
it."""

from dataclasses import dataclass

from foolbox.attacks.carlini_wagner import L2CarliniWagnerAttack
from torch import Tensor, nn

from training.attacks.ball import Ball
from training.attacks.best_try import BestTry
from training.attacks.foolbox_model import foolbox_model


@dataclass(frozen=True, kw_only=True)
class CarliniWagner:
    """Adam on the squared distance plus a constant times the margin, for `searches` constants. L2 only.

    The steps are of the arctanh of a pixel, which has 7 to go for one of 0 or 1: in 100 steps of Foolbox's own size,
    0.01, it hardly moves. A pixel between them has a fraction of 1 to go: photographs want steps of a quarter of this
    size, with which their 3072 pixels do not leap over a ball.
    """

    searches: int = 5
    steps: int = 100
    step_size: float = 0.2
    first_constant: float = 0.1

    def __call__(self, classifier: nn.Module, images: Tensor, labels: Tensor, ball: Ball) -> Tensor:
        """An `Attack`."""
        ball.require("l2")
        best = BestTry(classifier, images, labels, ball)
        best.pursue(self._run)
        return best.images

    def _run(self, classifier: nn.Module, images: Tensor, labels: Tensor, _: Ball) -> Tensor:
        attack = L2CarliniWagnerAttack(
            binary_search_steps=self.searches,
            steps=self.steps,
            stepsize=self.step_size,
            initial_const=self.first_constant,
            # It looks at the sum of all losses: an image would end with its neighbours.
            abort_early=False,
        )
        found: Tensor = attack.run(foolbox_model(classifier, images), images, labels)
        return found
