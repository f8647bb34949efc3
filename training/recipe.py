"""How a generative model is trained: the paper's recipe, a quick one for a CPU, and one that goes past the paper."""

from dataclasses import asdict, dataclass, field, replace
from typing import Literal

from eabs.architecture import Architecture
from eabs.objective import ObjectiveWeights
from eabs.variant import KINDS, Kind, Variant
from training.architectures import ARCHITECTURES
from training.run_recipe import AUGMENTATION_STD, Hyperparameter, RunRecipe

Precision = Literal["float32", "tf32", "bf16"]


@dataclass(frozen=True)
class Parent:
    """The run that a training starts from: the digest of its `weights`, and its `recipe`, flat."""

    weights: str
    recipe: dict[str, Hyperparameter]

    @property
    def generative(self) -> bool:
        """Whether it has decoders; a CNN's convolutions are an encoder's alone."""
        return self.recipe["kind"] in KINDS


@dataclass(frozen=True, kw_only=True)
class Recipe(RunRecipe):
    """Every hyperparameter of a generative model's training run, and the kind that it is of.

    `learning_rate` is that of the encoder and the decoders; the discriminator's follows the same schedule scaled to
    `discriminator_learning_rate`. `precision` is that of arithmetic: `tf32` is on CUDA alone, `bf16` in the
    decoders alone. Validation by latent inference, on `validation_images` images of the held-out split, happens every
    `validate_every` epochs.

    Five more are additions to the paper: `discriminator_steps` updates of the discriminator follow each of the others,
    with new samples of the prior; `wide_start` multiplies the decoders' width where it costs little time, at the linear
    layer and the first transposed convolution; `deformation` and `lighting` are how strongly training images are
    deformed and lit otherwise, 0 being not at all and 1 as `training/deformation.py` and `training/lighting.py` say;
    `epsilon` is the largest L2 distance by which a training image is moved, in `attack_steps` steps, to where the
    encoder mistakes it (`training/encoder_attack.py`), each image's own being drawn from [0, epsilon].

    `parent` is the run that a training starts from: one of the same kind, or of a CNN, with whose convolutions the
    shared encoder begins. Where rivals descend (`ObjectiveWeights.rival_steps`) there must be one of the same kind: the
    decoders are then as in inference all the time, with BatchNorm's running statistics held still and without dropout,
    for what rivals learn in one mode is undone in the other.
    """

    discriminator_learning_rate: float = 1e-3
    objective: ObjectiveWeights = field(default_factory=ObjectiveWeights)
    precision: Precision = "tf32"
    validation_images: int = 500
    validation_candidates: int = 2000
    validate_every: int = 1
    kind: Kind = "e-abs"
    discriminator_steps: int = 1
    wide_start: int = 1
    deformation: float = 0.0
    lighting: float = 0.0
    epsilon: float = 0.0
    attack_steps: int = 3
    parent: Parent | None = None

    def __post_init__(self) -> None:
        objective = self.objective
        weights = (objective.gamma, objective.rival_search, objective.radius, objective.sliced_wasserstein)
        if any(weights) and not self.variant.discriminative:
            raise ValueError(
                f"{self.kind}: expected a weight of 0 for what classes share, which it has none of, got {weights}"
            )
        if self.parent is not None and not self.parent.generative and not self.variant.discriminative:
            raise ValueError(f"{self.kind}: expected a run of its own kind to start from, since no encoder is shared")
        if objective.rival_steps and not (self.parent and self.parent.generative):
            raise ValueError(
                f"rival_steps: expected a run to start from, whose decoders' statistics are known, with "
                f"{objective.rival_steps} steps"
            )
        if self.deformation < 0 or self.lighting < 0:
            raise ValueError(
                f"deformation, lighting: expected strengths of at least 0, got {self.deformation} and {self.lighting}"
            )
        if self.epsilon < 0 or self.attack_steps < 1:
            raise ValueError(
                f"epsilon, attack_steps: expected at least 0 and 1, got {self.epsilon} and {self.attack_steps}"
            )
        if self.epsilon and not self.variant.discriminative:
            raise ValueError(f"{self.kind}: expected an epsilon of 0, since no encoder is shared, got {self.epsilon}")
        if self.discriminator_steps < 1 or self.wide_start < 1:
            raise ValueError(
                "discriminator_steps, wide_start: expected at least 1, "
                f"got {self.discriminator_steps} and {self.wide_start}"
            )

    def adapt(self, architecture: Architecture) -> Architecture:
        """See `RunRecipe`."""
        return architecture.with_wide_start(self.wide_start)

    def flat(self) -> dict[str, Hyperparameter]:
        """Every hyperparameter by its name; those of the run that it starts from after `parent.`."""
        flat = asdict(self)
        flat |= flat.pop("objective")
        if (parent := flat.pop("parent")) is not None:
            named = parent["recipe"] | {"weights": parent["weights"]}
            flat |= {f"parent.{name}": value for name, value in named.items()}
        return flat

    @property
    def variant(self) -> Variant:
        """Which of the extensions of ABS the model has."""
        return Variant.of(self.kind)


_QUICK = Recipe(
    name="quick",
    epochs=30,
    batch=128,
    learning_rate=4e-3,
    schedule="one-cycle",
    objective=ObjectiveWeights(rival_search=10.0),
)

PRESETS: dict[str, Recipe] = {
    "paper": Recipe(name="paper", epochs=500, batch=512, learning_rate=1e-3, schedule="halving", validate_every=10),
    "quick": _QUICK,
    "best": replace(_QUICK, name="best", objective=replace(_QUICK.objective, radius=160.0, sliced_wasserstein=100.0)),
}
"""`paper` is section 4.3 as printed. `quick` adds inference-aware training and a one-cycle learning rate; `best` adds
to that what has been seen to make models more robust: a radius that is asked for, latents held to the prior, and, where
images are in colour, deformations and other lighting."""


def recipe_for(preset: str, dataset: str, kind: Kind = "e-abs") -> Recipe:
    """The recipe of a preset with a data set's augmentation, for a kind of model.

    Raises:
        ValueError: there is no such preset.
    """
    if preset not in PRESETS:
        raise ValueError(f"unknown preset {preset!r}: expected one of {', '.join(PRESETS)}")
    recipe = PRESETS[preset]
    objective = recipe.objective
    if not Variant.of(kind).discriminative:
        # What the presets add is about classes that share an encoder.
        objective = ObjectiveWeights(beta=objective.beta, gamma=0.0)
    if preset == "best" and ARCHITECTURES[dataset].image[0] == 3:
        recipe = replace(recipe, deformation=1.0, lighting=1.0)
    return replace(recipe, augmentation_std=AUGMENTATION_STD[dataset], kind=kind, objective=objective)
