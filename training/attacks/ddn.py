"""Decoupled direction and norm: Rony et al., Decoupling Direction and Norm for Efficient Gradient-Based L2 Adversarial
Attacks and Defenses (CVPR 2019), as Foolbox has it."""

from dataclasses import dataclass

from foolbox.attacks.ddn import DDNAttack
from foolbox.models.pytorch import PyTorchModel
from torch import Tensor, nn

from training.attacks.ball import Ball
from training.attacks.best_try import BestTry
from training.attacks.classifiers import Unsaturated
from training.attacks.seeded import seeded


@dataclass(frozen=True, kw_only=True)
class DDN:
    """Looks for the nearest image with another answer, wherever it is, and draws it into the ball. L2 only."""

    steps: int = 60
    seed: int = 0

    def __call__(self, classifier: nn.Module, images: Tensor, labels: Tensor, ball: Ball) -> Tensor:
        """An `Attack`."""
        ball.require("l2")
        best = BestTry(classifier, images, labels, ball)
        model = PyTorchModel(Unsaturated(classifier), bounds=(0, 1), device=images.device)
        attack = DDNAttack(init_epsilon=ball.radii.median().item(), steps=self.steps)
        with seeded(self.seed, images.device):
            found = attack.run(model, images, labels)
        best.offer(found)
        # What was found may be just across the boundary: the rest of the radius leads clear of it.
        best.offer(ball.stride(images, found - images))
        return best.images
