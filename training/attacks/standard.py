"""The attacks that a certificate is tried with, by name: all of them for L2 balls."""

from torch import Tensor

from training.attacks.attack import Attack
from training.attacks.ddn import DDN
from training.attacks.gaussian import Gaussian
from training.attacks.hop_skip_jump import HopSkipJump
from training.attacks.pgd import PGD
from training.attacks.rival import Rival


def standard_attacks(pool: Tensor, *, seed: int = 0) -> dict[str, Attack]:
    """Every attack, with the effort that it is good for.

    Args:
        pool: (P, C, H, W) float32 in [0, 1], images of several classes, for HopSkipJump to start from.
        seed: of what is random in them.
    """
    return {
        "pgd": PGD(seed=seed),
        "ddn": DDN(seed=seed),
        "hop-skip-jump": HopSkipJump(pool=pool, seed=seed),
        "gaussian": Gaussian(seed=seed),
        "rival": Rival(),
    }
