"""How a model is trained: the paper's recipe, and a quick one for a CPU."""

import math
from dataclasses import dataclass, field, replace
from typing import Literal

from eabs.objective import ObjectiveWeights

Schedule = Literal["halving", "one-cycle"]
Precision = Literal["float32", "tf32", "bf16"]

AUGMENTATION_STD = {"mnist": 0.2, "fashion_mnist": 0.2, "svhn": 0.01, "gtsrb": 0.01, "supertraffic10": 0.01}
"""Standard deviation of the Gaussian noise added to training images (section 4.3)."""


@dataclass(frozen=True)
class Recipe:
    """Every hyperparameter of a training run.

    `learning_rate` is the highest of the encoder and the decoders; the discriminator's follows the same schedule
    scaled to `discriminator_learning_rate`. `halving` divides both by two every `halve_every` epochs; `one-cycle`
    warms up over the first `warm_up` of all steps and then falls to zero as a half cosine.
    `precision` matters on CUDA alone. Validation by latent inference, on `validation_images` images of the
    held-out split, happens every `validate_every` epochs.
    """

    name: str
    epochs: int
    batch: int
    learning_rate: float
    schedule: Schedule
    discriminator_learning_rate: float = 1e-3
    halve_every: int = 200
    warm_up: float = 0.1
    augmentation_std: float = 0.2
    objective: ObjectiveWeights = field(default_factory=ObjectiveWeights)
    precision: Precision = "tf32"
    validation_fraction: float = 0.1
    validation_images: int = 500
    validation_candidates: int = 2000
    validate_every: int = 1
    seed: int = 0

    @property
    def kind(self) -> str:
        """The kind of model that is trained."""
        return "e-abs"

    def learning_rate_factor(self, step: int, steps_per_epoch: int) -> float:
        """What both learning rates are multiplied with at a step, counted from 0."""
        if self.schedule == "halving":
            return 0.5 ** (step // steps_per_epoch // self.halve_every)
        progress = step / (self.epochs * steps_per_epoch)
        if progress < self.warm_up:
            return 0.04 + 0.96 * progress / self.warm_up
        return 0.5 * (1 + math.cos(math.pi * (progress - self.warm_up) / (1 - self.warm_up)))


PRESETS: dict[str, Recipe] = {
    "paper": Recipe(name="paper", epochs=500, batch=512, learning_rate=1e-3, schedule="halving", validate_every=10),
    "quick": Recipe(
        name="quick",
        epochs=30,
        batch=128,
        learning_rate=4e-3,
        schedule="one-cycle",
        objective=ObjectiveWeights(rival_search=10.0),
    ),
}
"""`paper` is section 4.3 as printed. `quick` adds inference-aware training and a one-cycle learning rate."""


def recipe_for(preset: str, dataset: str) -> Recipe:
    """The recipe of a preset with a data set's augmentation.

    Raises:
        ValueError: there is no such preset.
    """
    if preset not in PRESETS:
        raise ValueError(f"unknown preset {preset!r}: expected one of {', '.join(PRESETS)}")
    return replace(PRESETS[preset], augmentation_std=AUGMENTATION_STD[dataset])
