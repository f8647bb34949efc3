"""Moosavi-Dezfooli et al., DeepFool: A Simple and Accurate Method to Fool Deep Neural Networks (CVPR 2016), as Foolbox
has it."""

from dataclasses import dataclass

from foolbox.attacks.deepfool import DeepFoolAttack, L2DeepFoolAttack, LinfDeepFoolAttack
from torch import Tensor, nn

from training.attacks.ball import Ball
from training.attacks.best_try import BestTry
from training.attacks.foolbox_model import foolbox_model


@dataclass(frozen=True, kw_only=True)
class DeepFool:
    """Up to `steps` steps to where the logits, if they were linear, would be equal for the nearest other class.

    Of the classes, those with the `candidates` best logits are looked at. Each of them is one question about the same
    image, to which `LatentLogits` has the answer.
    """

    steps: int = 100
    candidates: int = 10

    def __call__(self, classifier: nn.Module, images: Tensor, labels: Tensor, ball: Ball) -> Tensor:
        """An `Attack`."""
        best = BestTry(classifier, images, labels, ball)
        best.pursue(self._run)
        return best.images

    def _run(self, classifier: nn.Module, images: Tensor, labels: Tensor, ball: Ball) -> Tensor:
        kind: type[DeepFoolAttack] = LinfDeepFoolAttack if ball.norm == "linf" else L2DeepFoolAttack
        attack = kind(steps=self.steps, candidates=self.candidates, loss="logits")
        found: Tensor = attack.run(foolbox_model(classifier, images), images, labels)
        return found
