"""Auto-PGD: Croce & Hein, Reliable Evaluation of Adversarial Robustness with an Ensemble of Diverse Parameter-free
Attacks (ICML 2020), algorithm 1. With `ce` and `targeted` it is two of the four attacks of their AutoAttack."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from training.attacks.ball import Ball
from training.attacks.best_try import BestTry
from training.attacks.draws import Draws
from training.attacks.losses import cross_entropy, logits_ratio, targeted_logits_ratio

Goal = Callable[[Tensor], Tensor]
"""Logits (N, K) to what is to rise, (N,) float64."""

_Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(labels (n,), places (n,) of the images that are standing, logits (n, K)) to what is to rise, (n,) float64."""

_MOMENTUM = 0.75
_RISES = 0.75  # of the steps between two checkpoints: with no more of them, steps are too long
_FIRST_CHECKPOINT, _CLOSER_BY, _CLOSEST = 22, 3, 6  # in hundredths of the steps


@dataclass(frozen=True, kw_only=True)
class APGD:
    """Runs of `steps` steps with momentum, whose length starts at twice the radius and is halved where it is too long.

    - `ce`: `restarts` runs up the cross-entropy; `dlr`: up the difference of logits ratio.
    - `targeted`: `restarts` runs to each of the `targets` classes that are nearest at the image itself.

    The first run starts from the image itself, the others from random points of the ball.
    """

    loss: Literal["ce", "dlr", "targeted"] = "ce"
    steps: int = 100
    restarts: int = 1
    targets: int = 9
    seed: int = 0

    def __call__(self, classifier: nn.Module, images: Tensor, labels: Tensor, ball: Ball) -> Tensor:
        """An `Attack`."""
        best, draws = BestTry(classifier, images, labels, ball), Draws(images, self.seed)
        for restart in range(self.restarts):
            for loss in self._losses(classifier, images, labels):
                standing = best.standing
                start = draws.points(standing, ball) if restart else images[standing]
                best.pursue(partial(self._run, start, loss, standing))
        return best.images

    def _run(
        self,
        start: Tensor,
        loss: _Loss,
        places: Tensor,
        classifier: nn.Module,
        images: Tensor,
        labels: Tensor,
        ball: Ball,
    ) -> Tensor:
        goal = partial(loss, labels, places)
        return climb(classifier, images, ball, start=start, goal=goal, steps=self.steps)

    def _losses(self, classifier: nn.Module, images: Tensor, labels: Tensor) -> list[_Loss]:
        """What each run of a restart climbs."""
        if self.loss == "ce":
            return [lambda labels, _, logits: cross_entropy(logits, labels)]
        if self.loss == "dlr":
            return [lambda labels, _, logits: logits_ratio(logits, labels)]
        with torch.no_grad():
            others = classifier(images).scatter(1, labels[:, None], -torch.inf)
        ranked = others.topk(min(self.targets, others.shape[1] - 1), dim=1).indices
        return [partial(_towards, targets) for targets in ranked.unbind(1)]


def _towards(targets: Tensor, labels: Tensor, places: Tensor, logits: Tensor) -> Tensor:
    return targeted_logits_ratio(logits, labels, targets[places])


def checkpoints(steps: int) -> list[int]:
    """After which steps the step's length is looked at: equation (3) of section 3."""
    found, share, period = [], _FIRST_CHECKPOINT, _FIRST_CHECKPOINT
    while share <= 100:
        found.append(-(-share * steps // 100))
        period = max(period - _CLOSER_BY, _CLOSEST)
        share += period
    return found


def climb(classifier: nn.Module, images: Tensor, ball: Ball, *, start: Tensor, goal: Goal, steps: int) -> Tensor:
    """Algorithm 1, for each image by itself: the place (N, C, H, W) where the goal was the highest.

    Args:
        classifier: images to logits.
        images: (N, C, H, W) float32 in [0, 1], and the `ball` around them.
        start: (N, C, H, W).
        goal: what is to rise.
        steps: how many gradients after the first.
    """
    place = previous = ball.confine(images, start)
    value, gradient = _evaluate(classifier, place, goal)
    best, best_value, best_gradient = place, value, gradient
    lengths = 2 * ball.radii
    rises = torch.zeros_like(value)
    # Nothing was halved before the first checkpoint, but neither were there steps of this length before it.
    halved, last_best = torch.ones_like(value, dtype=torch.bool), value
    last_checkpoint, looked_at = 0, set(checkpoints(steps))
    for step in range(1, steps + 1):
        ahead = ball.confine(images, place + _column(lengths).to(place) * _unit(ball, gradient))
        share = _MOMENTUM if step > 1 else 1.0
        place, previous = (
            ball.confine(images, place + share * (ahead - place) + (1 - share) * (place - previous)),
            place,
        )
        reached, gradient = _evaluate(classifier, place, goal)
        rises += reached > value
        value = reached
        better = value > best_value
        best, best_value, best_gradient = (
            torch.where(_like(better, new), new, old)
            for new, old in ((place, best), (value, best_value), (gradient, best_gradient))
        )
        if step in looked_at:
            halved = (rises <= _RISES * (step - last_checkpoint)) | (~halved & (best_value <= last_best))
            lengths = torch.where(halved, lengths / 2, lengths)
            place, value, gradient = (
                torch.where(_like(halved, kept), kept, new)
                for kept, new in ((best, place), (best_value, value), (best_gradient, gradient))
            )
            rises, last_best, last_checkpoint = torch.zeros_like(value), best_value, step
    return best


def _evaluate(classifier: nn.Module, images: Tensor, goal: Goal) -> tuple[Tensor, Tensor]:
    """The goal (N,) float64 and its gradient (N, C, H, W)."""
    with torch.enable_grad():
        images = images.detach().requires_grad_()
        values = goal(classifier(images))
        (gradient,) = torch.autograd.grad(values.sum(), images)
    return values.detach(), gradient


def _unit(ball: Ball, gradients: Tensor) -> Tensor:
    """The steepest directions, of length 1 in the ball's norm; 0 where there is no gradient."""
    directions = ball.steepest(gradients.double())
    lengths = ball.distances(directions, torch.zeros_like(directions))
    return (directions / _column(lengths.clamp_min(torch.finfo(torch.float64).tiny))).to(gradients)


def _column(values: Tensor) -> Tensor:
    """(N,) to (N, 1, 1, 1)."""
    return values.view(-1, 1, 1, 1)


def _like(chosen: Tensor, values: Tensor) -> Tensor:
    """(N,) with as many dimensions as the values."""
    return chosen.view(-1, *[1] * (values.dim() - 1))
