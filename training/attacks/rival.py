"""Straight towards the rivals, by the adaptive gradient, equation (8) of Ju & Wagner (AISec 2020).

Schott et al., Towards the First Adversarially Robust Neural Network Model on MNIST (ICLR 2019), attack their models so:
their latent descent attack goes towards the best re-creation by a rival, infers again, and searches the line for the
nearest image with another answer. Within a ball there is nothing to search: the end of the line is the best of it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from training.attacks.ball import Ball
from training.attacks.best_try import BestTry


@dataclass(frozen=True, kw_only=True)
class Rival:
    """Steps of the whole radius, for each of the `rivals` classes of the next best scores.

    One along -dl_k/dx, straight to the rival's own re-creation or prototype, and one along d(l_y - l_k)/dx, across
    the boundary where it is nearest: of a prototype bank that is the normal of the hyperplane between two prototypes.
    Both are taken `rounds` times, with the gradient at the place that the last step led to. On the way there is the
    image of the ball that is nearest to the re-creation: pixels that are closer than the radius go no further.
    """

    rivals: int = 4
    rounds: int = 3

    def __call__(self, classifier: nn.Module, images: Tensor, labels: Tensor, ball: Ball) -> Tensor:
        """An `Attack`."""
        best = BestTry(classifier, images, labels, ball)
        with torch.no_grad():
            others = classifier(images).scatter(1, labels[:, None], -torch.inf)
        for rival in others.topk(min(self.rivals, others.shape[1] - 1), dim=1).indices.unbind(1):
            for own in (0.0, -1.0):

                def run(
                    classifier: nn.Module,
                    images: Tensor,
                    labels: Tensor,
                    ball: Ball,
                    rival: Tensor = rival[best.standing],
                    own: float = own,
                ) -> Tensor:
                    moved = images
                    for _ in range(self.rounds):
                        gradients = _gradient(classifier, moved, rival, labels, own)
                        if ball.norm == "linf" and own == 0:
                            # The gradient of -l_k is -2 (x - G_k(z*)).
                            with torch.no_grad():
                                classifier(ball.confine(images, moved + gradients / 2))
                        moved = ball.stride(images, ball.steepest(gradients))
                    return moved

                best.pursue(run)
        return best.images


def _gradient(classifier: nn.Module, images: Tensor, rival: Tensor, labels: Tensor, own: float) -> Tensor:
    """Of the rival's logit plus `own` times the label's, with respect to the images."""
    with torch.enable_grad():
        images = images.detach().requires_grad_()
        logits = classifier(images)
        value = logits.gather(1, rival[:, None]) + own * logits.gather(1, labels[:, None])
        (gradient,) = torch.autograd.grad(value.sum(), images)
    return gradient
