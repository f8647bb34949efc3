"""How a discriminative classifier is trained: the paper's recipe, and a quick one for a CPU."""

import math
from dataclasses import asdict, dataclass, replace

from training.attacks.ball import Norm
from training.run_recipe import AUGMENTATION_STD, Hyperparameter, RunRecipe

CNN = "cnn"
ADVERSARIAL: dict[str, Norm] = {"adv-linf": "linf", "adv-l2": "l2"}
KINDS = (CNN, *ADVERSARIAL)

EPSILON: dict[Norm, dict[str, float]] = {
    "linf": {
        "mnist": 0.3,
        "fashion_mnist": 0.1,
        "svhn": 8 / 255,
        "gtsrb": 8 / 255,
        "supertraffic10": 8 / 255,
    },
    "l2": dict.fromkeys(AUGMENTATION_STD, 1.5),
}
"""How far the attack may go on each data set, in [0, 1] pixels: the epsilon of Tables 1 to 4."""


@dataclass(frozen=True)
class AdversarialTraining:
    """Training on what projected gradient descent (PGD) makes of the images, instead of the images: Madry et al.,
    Towards Deep Learning Models Resistant to Adversarial Attacks (ICLR 2018).

    The attack starts at a random point within `epsilon` of an image, measured by `norm` in [0, 1] pixels, and makes
    `steps` steps of length `relative_step_size * epsilon`. `initial_weights` is the digest of the trained CNN that the
    training starts from.
    """

    norm: Norm
    epsilon: float
    steps: int
    relative_step_size: float
    initial_weights: str

    def __post_init__(self) -> None:
        if not 0 < self.epsilon < math.inf:
            raise ValueError(f"epsilon: expected a number above 0, got {self.epsilon}")
        if self.steps < 1:
            raise ValueError(f"steps: expected at least one, got {self.steps}")


@dataclass(frozen=True, kw_only=True)
class DiscriminativeRecipe(RunRecipe):
    """Every hyperparameter of a discriminative training run: Adam on the cross-entropy.

    Held-out accuracy is measured after every epoch; where training is adversarial, also under PGD of `robust_steps`
    steps with one random start, on the first `robust_images` held-out images.
    """

    adversarial: AdversarialTraining | None = None
    robust_images: int = 200
    robust_steps: int = 40

    @property
    def kind(self) -> str:
        """`cnn`, `adv-linf` or `adv-l2`."""
        return CNN if self.adversarial is None else f"adv-{self.adversarial.norm}"

    def flat(self) -> dict[str, Hyperparameter]:
        """Every hyperparameter by its name, and the kind."""
        flat = asdict(self)
        return flat | (flat.pop("adversarial") or {}) | {"kind": self.kind}


@dataclass(frozen=True)
class _Preset:
    cnn: DiscriminativeRecipe
    adversarial: DiscriminativeRecipe
    steps: int
    relative_step_size: float


PRESETS: dict[str, _Preset] = {
    "paper": _Preset(
        cnn=DiscriminativeRecipe(name="paper", epochs=500, batch=512, learning_rate=1e-3, schedule="halving"),
        adversarial=DiscriminativeRecipe(
            name="paper", epochs=200, batch=512, learning_rate=1e-4, schedule="constant", augmentation_std=0.0
        ),
        steps=40,
        relative_step_size=1 / 30,
    ),
    "quick": _Preset(
        cnn=DiscriminativeRecipe(name="quick", epochs=20, batch=128, learning_rate=4e-3, schedule="one-cycle"),
        adversarial=DiscriminativeRecipe(
            name="quick", epochs=15, batch=128, learning_rate=4e-3, schedule="one-cycle", augmentation_std=0.0
        ),
        steps=7,
        relative_step_size=0.25,
    ),
}
"""`paper` is section 4.3 as printed. It does not print the steps of PGD in training: these are those of Madry et al. on
MNIST, whose training it names, 40 of epsilon / 30. `quick` is within reach of a CPU."""


def cnn_recipe(preset: str, dataset: str) -> DiscriminativeRecipe:
    """The recipe of a preset for a CNN, with a data set's noise.

    Raises:
        ValueError: there is no such preset.
    """
    return replace(_preset(preset).cnn, augmentation_std=AUGMENTATION_STD[dataset])


def adversarial_recipe(preset: str, dataset: str, norm: Norm, *, initial_weights: str) -> DiscriminativeRecipe:
    """The recipe of a preset for adversarial training, without noise, with a data set's epsilon.

    Args:
        preset: its name.
        dataset: the official set whose images the data are, or are like.
        norm: of the attack.
        initial_weights: the digest of the CNN that the training starts from.

    Raises:
        ValueError: there is no such preset.
    """
    chosen = _preset(preset)
    adversarial = AdversarialTraining(
        norm, EPSILON[norm][dataset], chosen.steps, chosen.relative_step_size, initial_weights
    )
    return replace(chosen.adversarial, adversarial=adversarial)


def _preset(name: str) -> _Preset:
    if name not in PRESETS:
        raise ValueError(f"unknown preset {name!r}: expected one of {', '.join(PRESETS)}")
    return PRESETS[name]
