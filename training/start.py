"""The complete run of another training, whose weights a training starts from."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from torch import nn

from model_store import weights_digest
from training.run_folder import RunDescription, RunError, RunFolder

N = TypeVar("N", bound=nn.Module)


@dataclass(frozen=True)
class Start(Generic[N]):
    """What was trained, `network`, and on what."""

    network: N
    description: RunDescription[Any]

    @classmethod
    def of(cls, run: RunFolder[Any], network: N, kind: str) -> "Start[N]":
        """The network of a run, which must be complete and of a kind.

        Raises:
            RunError: the run trains something else, or is not complete.
        """
        description, checkpoint = run.description(), run.state()
        recipe = description.recipe
        if recipe.kind != kind:
            raise RunError(f"{run.path}: expected a run that trains {kind} to start from, got one of {recipe.kind}")
        steps = recipe.epochs * (description.train_images // recipe.batch)
        if checkpoint.step < steps:
            raise RunError(f"{run.path}: expected a complete run, got one at step {checkpoint.step} of {steps}")
        return cls(network, description)

    @property
    def digest(self) -> str:
        """`sha256:<hex>` of its weights."""
        return weights_digest(self.network)

    def check(self, description: RunDescription[Any]) -> None:
        """Raises:
        RunError: `description` is of a training on other images: on another data set or other files of it, or
            with others held out, which the start would have seen.
        """
        wanted = _images(description)
        for name, found in _images(self.description).items():
            if found != wanted[name]:
                raise RunError(f"expected a start that was trained on {name} {wanted[name]}, got one of {found}")


def _images(description: RunDescription[Any]) -> dict[str, object]:
    recipe = description.recipe
    return {
        "the data set": description.dataset,
        "the files": description.sources,
        "the classes": description.labels,
        "the networks": description.architecture,
        "all but a share of": recipe.validation_fraction,
        "what is left by the seed": recipe.seed,
    }
