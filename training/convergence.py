"""Whether an attack has been given enough: accuracy under it at several values of one of its settings.

Appendix B of Ju & Wagner (AISec 2020), Tables 6 to 8. Every value is a run of its own: one long run, looked at on the
way, would take other steps than a run that was meant to be short.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from training.attacks.attack import Attack
from training.attacks.ball import Ball, Norm
from training.attacks.pgd import PGD
from training.attacks.suites import suite

_BATCH = 20

_OF_APGD = {"steps": (0, 25, 50, 100, 200)}
_VALUES: Mapping[str, Mapping[str, tuple[int, ...]]] = {
    "pgd": {"steps": (0, 10, 30, 50, 100, 200, 500), "restarts": (5, 10, 15, 20, 50)},
    "deepfool": {"steps": (0, 5, 10, 25, 50, 100, 200)},
    "ddn": {"steps": (0, 10, 20, 40, 80, 160, 320)},
    "cw": {"steps": (0, 25, 50, 100, 200), "searches": (1, 3, 5, 7, 9)},
    "noise": {"samples": (0, 5, 10, 20, 40)},
    "apgd-ce": _OF_APGD,
    "apgd-t": _OF_APGD,
    "encoder": _OF_APGD,
    "unrolled": {"steps": (0, 12, 25, 50, 100)},
    "rival": {"rounds": (0, 1, 3, 6, 12)},
    "square": {"queries": (0, 1250, 2500, 5000, 10_000)},
    "hop-skip-jump": {"steps": (0, 5, 10, 20, 40)},
    "boundary": {"steps": (0, 6250, 25_000, 100_000)},
    "estimated-pgd": {"steps": (0, 12, 25, 50, 100)},
}


@dataclass(frozen=True)
class Sweep:
    """An attack for balls of `norm` at several `values` of one setting; `attack` makes it from a value.

    Value 0 is no attack at all.
    """

    norm: Norm
    values: tuple[int, ...]
    attack: Callable[[int], Attack]


def sweeps(*, pool: Tensor, restarts: int, seed: int) -> dict[str, Sweep]:
    """What can be varied, by name: ATTACK-NORM-SETTING, of every attack that robustness is measured with.

    Args:
        pool: (P, C, H, W) float32 in [0, 1], images for those to start from that walk along the boundary.
        restarts: PGD's, at least 1, while its steps vary.
        seed: of what is random in attacks.
    """
    return {
        f"{one.name}-{setting}": Sweep(one.norm, values, _varied(one.attack, setting))
        for one in suite("all", pool=pool, seed=seed, restarts=restarts)
        for setting, values in _VALUES[one.name.removesuffix(f"-{one.norm}")].items()
    }


def settings_varied() -> list[str]:
    """The names of all `sweeps`, sorted."""
    return sorted(sweeps(pool=torch.zeros(0, 1, 1, 1), restarts=1, seed=0))


def _varied(attack: Any, setting: str) -> Callable[[int], Attack]:
    """The same attack by the value of one of its fields."""
    return lambda value: replace(attack, **{setting: value})


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
) -> Iterator[Point]:
    """One point for each value, each as soon as it is known: many steps take long, and few tell something already.

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
        yield Point(value, kept / len(images), time.perf_counter() - began)
