"""The run folder of a discriminative classifier."""

from dataclasses import dataclass
from typing import Any

from model_store import weights_digest
from training.discriminative.network import Cnn
from training.discriminative.recipe import CNN, KINDS, AdversarialTraining, DiscriminativeRecipe
from training.run_folder import RunDescription, RunError, RunFolder


class DiscriminativeRun(RunFolder[DiscriminativeRecipe]):
    """A run of `training/discriminative/trainer.py`."""

    kinds = KINDS

    def classifier(self) -> Cnn:
        """The network of the newest checkpoint, in evaluation mode on the CPU, its parameters without gradients.

        Raises:
            RunError: this is no run folder of these kinds, or has no checkpoint yet.
        """
        network = Cnn(self.description().architecture)
        network.load_state_dict(self.state().section("model"))
        return network.eval().requires_grad_(False)

    def _recipe(self, raw: dict[str, Any]) -> DiscriminativeRecipe:
        adversarial = raw["adversarial"]
        return DiscriminativeRecipe(**raw | {"adversarial": adversarial and AdversarialTraining(**adversarial)})


@dataclass(frozen=True)
class TrainedCnn:
    """A CNN that adversarial training may start from: its network, and what it was trained on."""

    network: Cnn
    description: RunDescription[DiscriminativeRecipe]

    @classmethod
    def of(cls, run: DiscriminativeRun) -> "TrainedCnn":
        """The CNN of a run that is complete.

        Raises:
            RunError: the run trains something else, or is not complete.
        """
        description, checkpoint = run.description(), run.state()
        recipe = description.recipe
        if recipe.kind != CNN:
            raise RunError(f"{run.path}: expected a run that trains {CNN} to start from, got one of {recipe.kind}")
        steps = recipe.epochs * (description.train_images // recipe.batch)
        if checkpoint.step < steps:
            raise RunError(f"{run.path}: expected a complete run, got one at step {checkpoint.step} of {steps}")
        return cls(run.classifier(), description)

    @property
    def digest(self) -> str:
        """`sha256:<hex>` of its weights."""
        return weights_digest(self.network)

    def check(self, description: RunDescription[DiscriminativeRecipe]) -> None:
        """Raises:
        RunError: `description` is of a training on other images: on another data set or other files of it, or
            with others held out, which the CNN would have seen.
        """
        wanted = _images(description)
        for name, found in _images(self.description).items():
            if found != wanted[name]:
                raise RunError(f"expected a CNN that was trained on {name} {wanted[name]}, got one of {found}")


def _images(description: RunDescription[DiscriminativeRecipe]) -> dict[str, object]:
    recipe = description.recipe
    return {
        "the data set": description.dataset,
        "the files": description.sources,
        "the classes": description.labels,
        "all but a share of": recipe.validation_fraction,
        "what is left by the seed": recipe.seed,
    }
