"""The attacks that robustness is measured with, by name."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, Literal

from torch import Tensor

from training.attacks.apgd import APGD
from training.attacks.attack import Attack
from training.attacks.ball import NORMS, Norm
from training.attacks.boundary import Boundary
from training.attacks.carlini_wagner import CarliniWagner
from training.attacks.ddn import DDN
from training.attacks.deep_fool import DeepFool
from training.attacks.estimated_pgd import EstimatedPGD
from training.attacks.gaussian import Gaussian
from training.attacks.hop_skip_jump import HopSkipJump
from training.attacks.pgd import PGD
from training.attacks.rival import Rival
from training.attacks.square import Square
from training.attacks.surrogates import Encoder, Unrolled

SuiteName = Literal["paper", "gradient-free", "beyond", "all", "quick"]


@dataclass(frozen=True)
class NamedAttack:
    """An attack for balls of `norm`; `settings`, flat, are for reports, and the `name` says what and for which norm."""

    name: str
    norm: Norm
    attack: Attack
    settings: dict[str, Any]


def suite(name: SuiteName, *, pool: Tensor, seed: int, restarts: int | None = None) -> list[NamedAttack]:
    """Attacks in the order in which they are worth running.

    - `paper`: the rows of the paper's tables, with its step counts (section 4.2).
    - `gradient-free`: the paper's two attacks that see only answers and logits.
    - `beyond`: what the paper has not tried: AutoAttack's, with the gradient of equation (8); gradients of the latent
      optimisation and of the encoder; rivals' re-creations; and answers alone.
    - `all`: those three.
    - `quick`: the rows of the paper's tables with few steps, for a first look.

    Args:
        name: which.
        pool: (P, C, H, W) float32 in [0, 1], images of several classes, for those to start from that walk along the
            boundary. Grey ones are of a set like MNIST, where the paper takes 5 restarts and CW long steps, and others
            of one like SVHN, where it takes 20 and short ones.
        seed: of what is random in them.
        restarts: of the paper's PGD, at least 1; the paper's number if None.

    Raises:
        ValueError: there is no such suite.
    """
    if name == "paper":
        return list(_paper(pool, seed, restarts))
    if name == "gradient-free":
        return list(_gradient_free(pool, seed))
    if name == "beyond":
        return list(_beyond(pool, seed))
    if name == "all":
        return [*_paper(pool, seed, restarts), *_beyond(pool, seed), *_gradient_free(pool, seed)]
    if name == "quick":
        return list(_quick(seed))
    raise ValueError(f"suite: expected paper, gradient-free, beyond, all or quick, got {name}")


def _paper(pool: Tensor, seed: int, restarts: int | None) -> Iterator[NamedAttack]:
    grey = pool.shape[1] == 1
    restarts = restarts or (5 if grey else 20)
    for norm in NORMS:
        yield _named("pgd", norm, PGD(steps=80, restarts=restarts, seed=seed))
        if norm == "l2":
            yield _named("ddn", norm, DDN(steps=80, seed=seed))
            yield _named("cw", norm, CarliniWagner(searches=5, steps=100, step_size=0.2 if grey else 0.05))
        yield _named("deepfool", norm, DeepFool(steps=100))
        yield _named("noise", norm, Gaussian(samples=20, levels=5, seed=seed))


def _gradient_free(pool: Tensor, seed: int) -> Iterator[NamedAttack]:
    yield _named("estimated-pgd", "linf", EstimatedPGD(steps=50, samples=50, seed=seed))
    yield _named("boundary", "l2", Boundary(pool=pool, steps=100_000, seed=seed))


def _beyond(pool: Tensor, seed: int) -> Iterator[NamedAttack]:
    for norm in NORMS:
        yield _named("rival", norm, Rival())
        yield _named("apgd-ce", norm, APGD(loss="ce", steps=100, seed=seed))
        yield _named("apgd-t", norm, APGD(loss="targeted", steps=100, seed=seed))
        yield _named("unrolled", norm, Unrolled(steps=50, seed=seed))
        yield _named("encoder", norm, Encoder(steps=100, seed=seed))
        yield _named("square", norm, Square(queries=5000, seed=seed))
        yield _named("hop-skip-jump", norm, HopSkipJump(pool=pool, steps=20, samples=100, seed=seed))


def _quick(seed: int) -> Iterator[NamedAttack]:
    for norm in NORMS:
        yield _named("pgd", norm, PGD(steps=10, restarts=1, seed=seed))
        if norm == "l2":
            yield _named("ddn", norm, DDN(steps=10, seed=seed))
            yield _named("cw", norm, CarliniWagner(searches=1, steps=60, first_constant=1.0))
        yield _named("deepfool", norm, DeepFool(steps=5))
        yield _named("noise", norm, Gaussian(samples=2, levels=2, seed=seed))


def _named(name: str, norm: Norm, attack: Any) -> NamedAttack:
    """The settings are the attack's fields, without its pool of images and its seed."""
    settings = {one.name: getattr(attack, one.name) for one in fields(attack) if one.name not in ("pool", "seed")}
    return NamedAttack(f"{name}-{norm}", norm, attack, settings)
