"""What a robustness run does: which attacks, how far, in which chunks."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from training.attacks.ball import Norm
from training.attacks.suites import NamedAttack

CURVE_SHARES = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
"""Of the bound, where accuracy against epsilon is measured."""

_LINF = {"mnist": 0.3, "fashion_mnist": 0.1}


def paper_epsilons(like: str) -> dict[Norm, float]:
    """The bounds of the paper's Tables 1 to 4 for a data set, or one like it: [0, 1] pixels."""
    return {"linf": _LINF.get(like, 8 / 255), "l2": 1.5}


@dataclass(frozen=True)
class Plan:
    """A run's attacks.

    - `attacks`: a seed to the attacks of that seed; their names and settings do not depend on it.
    - `epsilons`: the bound of each norm, in [0, 1] pixels.
    - `curves`: whether to measure accuracy against epsilon as well, by the attacks `pgd-linf` and `pgd-l2`.
    - `seed`: of all that is random.
    - `batch`: how many images are attacked at once. What is drawn for an image depends on its place in its batch.

    Raises:
        ValueError: there are no attacks, one has no bound, a bound is not above 0, or there is nothing to measure a
            curve with.
    """

    attacks: Callable[[int], Sequence[NamedAttack]]
    epsilons: Mapping[Norm, float]
    curves: bool = False
    seed: int = 0
    batch: int = 20

    def __post_init__(self) -> None:
        named = self.attacks(self.seed)
        if not named:
            raise ValueError("attacks: expected at least one")
        for norm, epsilon in self.epsilons.items():
            if not epsilon > 0:
                raise ValueError(f"{norm}: expected a bound above 0, got {epsilon}")
        if missing := {one.norm for one in named} - self.epsilons.keys():
            raise ValueError(f"epsilons: expected a bound for {', '.join(sorted(missing))}")
        if self.curves and not self.curve_epsilons:
            raise ValueError("curve: expected pgd-linf or pgd-l2 among the attacks, which it is measured with")

    def attack(self, name: str, work: str, chunk: int) -> NamedAttack:
        """An attack with a seed of its own for a chunk of a piece of work."""
        key = f"{self.seed}/{work}/{chunk}".encode()
        # numpy's generators take 32 bits.
        seed = int.from_bytes(hashlib.sha256(key).digest()[:4], "big") >> 1
        return next(one for one in self.attacks(seed) if one.name == name)

    @property
    def curve_epsilons(self) -> dict[Norm, tuple[float, ...]]:
        """Where the curve of each norm is measured, ascending; its bound is one of them."""
        if not self.curves:
            return {}
        norms = {one.norm for one in self.attacks(self.seed) if one.name == curve_attack(one.norm)}
        return {
            norm: tuple(share * epsilon for share in CURVE_SHARES)
            for norm, epsilon in self.epsilons.items()
            if norm in norms
        }

    def described(self) -> dict[str, Any]:
        """For settings and reports: every attack by its name."""
        return {
            one.name: {"norm": one.norm, "epsilon": self.epsilons[one.norm], "settings": dict(one.settings)}
            for one in self.attacks(self.seed)
        }


def curve_attack(norm: Norm) -> str:
    """The name of the attack that a norm's accuracy against epsilon is measured with."""
    return f"pgd-{norm}"
