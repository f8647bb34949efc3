"""How a prototype bank is trained for its certificate."""

from dataclasses import dataclass, field

from training.deformation import Deformation


@dataclass(frozen=True)
class PrototypeRecipe:
    """Every hyperparameter of a bank's training.

    `per_class`: prototypes of each class, that start as re-creations of training images. `components`: the prototypes
    stay in the span of so many principal components of the training images; what of an image lies outside moves all
    distances alike. `margin`: the loss is what the bound s(p, q) lacks of it, in L2 over [0, 1] pixels.
    `average`: the bank is an exponential average of the last steps, of this weight a step. `learning_rate` falls to
    0 as a half cosine.
    """

    per_class: int = 1000
    components: int = 96
    margin: float = 2.0
    epochs: int = 80
    batch: int = 250
    learning_rate: float = 20.0
    momentum: float = 0.9
    average: float = 0.998
    deformation: Deformation = field(default_factory=Deformation)
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("per_class", "components", "epochs", "batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected a positive count, got {getattr(self, name)}")
        if not self.margin > 0:
            raise ValueError(f"margin: expected a positive distance, got {self.margin}")
