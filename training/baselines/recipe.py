"""How a CNN is trained."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CnnRecipe:
    """Every hyperparameter: Adam, with a learning rate that warms up over a tenth of all steps to `learning_rate` and
    falls to zero as a half cosine; Gaussian noise of `augmentation_std` on training images, as `eabs train` has it;
    the same held-out images for the same seed.
    """

    epochs: int = 20
    batch: int = 128
    learning_rate: float = 4e-3
    augmentation_std: float = 0.2
    validation_fraction: float = 0.1
    seed: int = 0
