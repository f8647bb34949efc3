"""What every recipe says, whatever kind of model it trains."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

from eabs.architecture import Architecture

Schedule = Literal["constant", "halving", "one-cycle"]
Hyperparameter = str | int | float | bool

AUGMENTATION_STD = {"mnist": 0.2, "fashion_mnist": 0.2, "svhn": 0.01, "gtsrb": 0.01, "supertraffic10": 0.01}
"""Standard deviation of the Gaussian noise added to training images (section 4.3)."""


@dataclass(frozen=True, kw_only=True)
class RunRecipe(ABC):
    """The hyperparameters that every training run has.

    `learning_rate` is the highest of the schedule: `halving` divides it by two every `halve_every` epochs; `one-cycle`
    warms up over the first `warm_up` of all steps and then falls to zero as a half cosine. `validation_fraction` of
    the training images is held out, by `seed`, which is also the seed of every other draw.
    """

    name: str
    epochs: int
    batch: int
    learning_rate: float
    schedule: Schedule
    halve_every: int = 200
    warm_up: float = 0.1
    augmentation_std: float = 0.2
    validation_fraction: float = 0.1
    seed: int = 0

    @property
    @abstractmethod
    def kind(self) -> str:
        """The kind of model that is trained, as `eabs train --model` names it."""

    def adapt(self, architecture: Architecture) -> Architecture:
        """The networks that are trained, from those of Table 9."""
        return architecture

    def learning_rate_factor(self, step: int, steps_per_epoch: int) -> float:
        """What every learning rate is multiplied with at a step, counted from 0."""
        if self.schedule == "constant":
            return 1.0
        if self.schedule == "halving":
            return 0.5 ** (step // steps_per_epoch // self.halve_every)
        progress = step / (self.epochs * steps_per_epoch)
        if progress < self.warm_up:
            return 0.04 + 0.96 * progress / self.warm_up
        return 0.5 * (1 + math.cos(math.pi * (progress - self.warm_up) / (1 - self.warm_up)))
