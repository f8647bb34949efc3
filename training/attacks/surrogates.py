"""Attacks that follow another gradient than equation (8): the answers are the classifier's, the way is a surrogate's.

Athalye et al., Obfuscated Gradients Give a False Sense of Security (ICML 2018), section 4.1: backward pass
differentiable approximation. A classifier that holds no latent inference is attacked by its own gradient.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from training.attacks.apgd import APGD
from training.attacks.ball import Ball
from training.attacks.classifiers import EncoderLogits, LatentLogits
from training.attacks.unrolled import UNROLLED, UnrolledLogits


class GradientOf(nn.Module):
    """The logits of a classifier, and as their gradient that of its surrogate's."""

    def __init__(self, classifier: nn.Module, surrogate: nn.Module) -> None:
        super().__init__()
        self._classifier = classifier
        self._surrogate = surrogate
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self._classifier(images.detach())
        if not (torch.is_grad_enabled() and images.requires_grad):
            return logits
        seen: Tensor = self._surrogate(images)
        return logits + (seen - seen.detach())


@dataclass(frozen=True, kw_only=True)
class Unrolled:
    """APGD with gradients through the first `unrolled` steps of latent inference, or as many as it takes at most.

    `restarts` runs of `steps` steps up the difference of logits ratio, of which each costs as much as ten or so of
    equation (8).
    """

    steps: int = 40
    restarts: int = 1
    unrolled: int = UNROLLED.steps
    seed: int = 0

    def __call__(self, classifier: nn.Module, images: Tensor, labels: Tensor, ball: Ball) -> Tensor:
        """An `Attack`."""
        seen = _by_way_of(self._surrogate, classifier)
        attack = APGD(loss="dlr", steps=self.steps, restarts=self.restarts, seed=self.seed)
        return attack(seen, images, labels, ball)

    def _surrogate(self, classifier: LatentLogits | UnrolledLogits) -> nn.Module:
        # A gradient of more steps than are taken is another classifier's.
        steps = min(self.unrolled, classifier.settings.steps)
        return UnrolledLogits(classifier.inference, replace(UNROLLED, steps=steps))


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """APGD with the gradients of what the encoder alone would answer: one forward pass, and no optimisation in it."""

    steps: int = 100
    restarts: int = 1
    seed: int = 0

    def __call__(self, classifier: nn.Module, images: Tensor, labels: Tensor, ball: Ball) -> Tensor:
        """An `Attack`."""
        attack = APGD(loss="dlr", steps=self.steps, restarts=self.restarts, seed=self.seed)
        return attack(_by_way_of(lambda found: EncoderLogits(found.inference), classifier), images, labels, ball)


def _by_way_of(surrogate: Callable[[LatentLogits | UnrolledLogits], nn.Module], classifier: nn.Module) -> nn.Module:
    """The classifier with the gradient of a surrogate of the latent inference that its logits come from."""
    found = next((part for part in classifier.modules() if isinstance(part, LatentLogits | UnrolledLogits)), None)
    return classifier if found is None else GradientOf(classifier, surrogate(found))
