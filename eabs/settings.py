"""How equation (6) of Ju & Wagner (AISec 2020) is solved: the quasi-Newton method's settings, Adam's, the efforts."""

import math
from dataclasses import dataclass
from typing import Literal

from eabs.candidates import Objective
from eabs.variant import E_ABS, Variant

Effort = Literal["brief", "fast", "standard", "thorough"]
Solver = Literal["quasi-newton", "adam"]


@dataclass(frozen=True)
class QuasiNewtonSettings:
    """A damped quasi-Newton method on z itself.

    The minimum of (6) over (mu, Sigma) has Sigma = 0: an expectation is never below its best outcome. So the variance
    is left out, and with it the noise.

    A lane is one image, tried by one class, from one start. It ends after `steps` gradients, or when the quadratic
    model promises less than `tolerance` times its score. A class that can no longer win ends sooner, and its score
    is an upper bound then:
    - after the start search, a class goes on if its start's score is at most `shortlist` times the best class's, and
      if it is among the `finalists` best;
    - after `full_steps` steps, a class goes on while its score less `patience` times what the model promises is no
      more than the best class's score.

    Of several starts of a class, one goes on in the same way against the best of them, by `start_patience`, once it
    has had a few steps.
    """

    steps: int
    starts: int = 1
    tolerance: float = 0.0
    shortlist: float = math.inf
    finalists: int | None = None
    full_steps: int = 1
    patience: float = math.inf
    start_patience: float = 8.0
    objective: Objective = "score"

    def __post_init__(self) -> None:
        for name in ("steps", "starts", "finalists", "full_steps"):
            _check_count(name, getattr(self, name))
        for name, least in (("tolerance", 0), ("shortlist", 1), ("patience", 1), ("start_patience", 1)):
            if not getattr(self, name) >= least:
                raise ValueError(f"{name}: expected at least {least}, got {getattr(self, name)}")

    @property
    def is_complete(self) -> bool:
        """Whether no class is given up."""
        return self.finalists is None and math.isinf(self.shortlist) and math.isinf(self.patience)


@dataclass(frozen=True)
class AdamSettings:
    """The paper's method: Adam on mu and log sigma, one reparameterised sample a step.

    `steps` from each of `starts` starting points; the learning rate falls linearly from `learning_rate` to
    `learning_rate * final_fraction`. `initial_std` is the standard deviation that a candidate starts with, and
    `samples` the number of samples that the final expectation is estimated with.
    """

    steps: int
    starts: int = 1
    learning_rate: float = 0.05
    final_fraction: float = 1.0
    initial_std: float = 1.0
    samples: int = 1
    objective: Objective = "score"

    def __post_init__(self) -> None:
        for name in ("steps", "starts", "samples"):
            _check_count(name, getattr(self, name))

    def learning_rate_at(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        progress = step / max(1, self.steps - 1)
        return self.learning_rate * (1 - progress * (1 - self.final_fraction))


InferenceSettings = QuasiNewtonSettings | AdamSettings


def _check_count(name: str, value: int | None) -> None:
    if value is not None and value < 1:
        raise ValueError(f"{name}: expected a positive count, got {value}")


EFFORTS: dict[Effort, QuasiNewtonSettings] = {
    "brief": QuasiNewtonSettings(steps=3, tolerance=0.003, shortlist=2.0, finalists=16, patience=4.0),
    "fast": QuasiNewtonSettings(steps=6, tolerance=0.003, shortlist=2.0, finalists=16, patience=4.0),
    "standard": QuasiNewtonSettings(steps=20, tolerance=0.001, full_steps=8, patience=8.0),
    "thorough": QuasiNewtonSettings(steps=60, starts=8, tolerance=1e-5),
}
"""What each effort buys. Chosen on validation splits; docs/inference.md and docs/results.md have the measurements."""

PAPER_SETTINGS = AdamSettings(steps=50)
"""The paper's inference as the authors' public ABS code runs it: Adam, 50 steps of 0.05, unit variance."""


def name_of(settings: InferenceSettings) -> str:
    """What reports and metrics call settings: `adam`, an effort's name, or `other`."""
    if isinstance(settings, AdamSettings):
        return "adam"
    return next((name for name, known in EFFORTS.items() if known == settings), "other")


def settings_for(variant: Variant, effort: Effort = "standard") -> InferenceSettings:
    """How a variant infers: an exact latent with an effort, or a distribution as the paper does.

    E-ABS has an effort too: its minimum over distributions is an exact latent (`QuasiNewtonSettings`). With the KL
    divergence for a prior it is none, and AV-ABS is there to be compared.
    """
    return EFFORTS[effort] if variant == E_ABS or not variant.variational else PAPER_SETTINGS
