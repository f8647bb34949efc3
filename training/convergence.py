"""Whether an attack has been given enough: accuracy under it at several values of one of its settings.

Appendix B of Ju & Wagner (AISec 2020), Tables 6 to 8. Every value is a run of its own: one long run, looked at on the
way, would take other steps than a run that was meant to be short.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from training.attacks.apgd import APGD
from training.attacks.attack import Attack
from training.attacks.ball import Ball, Norm
from training.attacks.carlini_wagner import CarliniWagner
from training.attacks.ddn import DDN
from training.attacks.deep_fool import DeepFool
from training.attacks.pgd import PGD

_BATCH = 20


@dataclass(frozen=True)
class Sweep:
    """An attack for balls of `norm` at several `values` of one setting; `attack` makes it from a value.

    Value 0 is no attack at all.
    """

    norm: Norm
    values: tuple[int, ...]
    attack: Callable[[int], Attack]


def sweeps(*, restarts: int, seed: int) -> dict[str, Sweep]:
    """What can be varied, by name: the other settings are the paper's, but for PGD's `restarts` while steps vary."""

    def pgd_steps(norm: Norm) -> Sweep:
        values = (0, 10, 30, 50, 100, 200, 500)
        return Sweep(norm, values, lambda steps: PGD(steps=steps, restarts=restarts, seed=seed))

    def deep_fool(norm: Norm) -> Sweep:
        return Sweep(norm, (0, 5, 10, 25, 50, 100, 200), lambda steps: DeepFool(steps=steps))

    def apgd(norm: Norm) -> Sweep:
        return Sweep(norm, (0, 25, 50, 100, 200), lambda steps: APGD(loss="ce", steps=steps, seed=seed))

    return {
        "pgd-linf-steps": pgd_steps("linf"),
        "pgd-linf-restarts": Sweep(
            "linf", (5, 10, 15, 20, 50), lambda count: PGD(steps=100, restarts=count, seed=seed)
        ),
        "pgd-l2-steps": pgd_steps("l2"),
        "ddn-l2-steps": Sweep("l2", (0, 10, 20, 40, 80, 160, 320), lambda steps: DDN(steps=steps, seed=seed)),
        "cw-l2-steps": Sweep("l2", (0, 25, 50, 100, 200), lambda steps: CarliniWagner(searches=5, steps=steps)),
        "cw-l2-searches": Sweep("l2", (1, 3, 5, 7, 9), lambda count: CarliniWagner(searches=count, steps=100)),
        "deepfool-linf-steps": deep_fool("linf"),
        "deepfool-l2-steps": deep_fool("l2"),
        "apgd-linf-steps": apgd("linf"),
        "apgd-l2-steps": apgd("l2"),
    }


def expectation(*, restarts: int, seed: int) -> Sweep:
    """Table 6: the value is the samples of an expectation over transformation, and the attack is always the same."""
    return Sweep("linf", (1, 2, 3, 5, 10), lambda _: PGD(steps=80, restarts=restarts, seed=seed))


@dataclass(frozen=True)
class Point:
    """At a `value` of the setting: the share of images that are still right, and the `seconds` that it took."""

    value: int
    accuracy: float
    seconds: float


def measure_convergence(
    sweep: Sweep,
    values: Sequence[int],
    logits: Callable[[int], nn.Module],
    predict: Callable[[Tensor], Tensor],
    images: Tensor,
    labels: Tensor,
    epsilon: float,
    *,
    advance: Callable[[int], None] = lambda _: None,
) -> list[Point]:
    """One point for each value.

    Args:
        sweep: what is run.
        values: at which values of its setting.
        logits: what the attack sees, by the value.
        predict: images to the answers (B,) int64 that users get, which have the last word.
        images: (N, C, H, W) float32 in [0, 1]; those that are not answered right are not attacked.
        labels: (N,) int64.
        epsilon: the ball's radius.
        advance: told how many images were attacked.

    Raises:
        ValueError: a value is below 0, or there are no images.
    """
    if len(images) == 0:
        raise ValueError("images: expected at least one")
    if any(value < 0 for value in values):
        raise ValueError(f"values: expected none below 0, got {min(values)}")
    right = torch.cat([predict(batch) for batch in images.split(_BATCH)]) == labels
    originals, targets = images[right], labels[right]
    points = []
    for value in values:
        began, kept = time.perf_counter(), len(originals)
        if value > 0:
            seen, attack, kept = logits(value), sweep.attack(value), 0
            for start in range(0, len(originals), _BATCH):
                batch, wanted = originals[start : start + _BATCH], targets[start : start + _BATCH]
                attacked = attack(seen, batch, wanted, Ball.around(batch, sweep.norm, epsilon))
                kept += int((predict(attacked) == wanted).sum())
                advance(len(batch))
        else:
            advance(len(originals))
        points.append(Point(value, kept / len(images), time.perf_counter() - began))
    return points
