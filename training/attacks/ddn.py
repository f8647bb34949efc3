"""Decoupled direction and norm: Rony et al., Decoupling Direction and Norm for Efficient Gradient-Based L2 Adversarial
Attacks and Defenses (CVPR 2019), as Foolbox has it."""

from dataclasses import dataclass

from eagerpy.astensor import astensor
from foolbox.attacks.ddn import DDNAttack
from torch import Tensor, nn

from training.attacks.ball import Ball
from training.attacks.best_try import BestTry
from training.attacks.classifiers import Unsaturated
from training.attacks.foolbox_model import foolbox_model
from training.attacks.seeded import seeded


@dataclass(frozen=True, kw_only=True)
class DDN:
    """Looks for the nearest image with another answer, wherever it is, starting at the ball's surface. L2 only."""

    steps: int = 60
    seed: int = 0

    def __call__(self, classifier: nn.Module, images: Tensor, labels: Tensor, ball: Ball) -> Tensor:
        """An `Attack`."""
        ball.require("l2")
        best = BestTry(classifier, images, labels, ball)
        # Where a gradient is zero, Foolbox draws a direction.
        with seeded(self.seed, images.device):
            best.pursue(self._run)
        return best.images

    def _run(self, classifier: nn.Module, images: Tensor, labels: Tensor, ball: Ball) -> Tensor:
        # Foolbox means one first epsilon for a batch, but multiplies it by ones.
        radii = astensor(ball.radii.to(images))
        attack = DDNAttack(init_epsilon=radii, steps=self.steps)  # type: ignore[arg-type]
        found: Tensor = attack.run(foolbox_model(Unsaturated(classifier), images), images, labels)
        return found
