"""What `eabs train` trains with: the recipe and the trainer of a kind of model, from the command's options."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

import torch

from eabs.family import GenerativeModel
from eabs.variant import Kind
from training.datasets import Dataset
from training.discriminative.network import Cnn
from training.discriminative.recipe import ADVERSARIAL, CNN, DiscriminativeRecipe, adversarial_recipe, cnn_recipe
from training.discriminative.run import DiscriminativeRun
from training.discriminative.trainer import DiscriminativeTrainer
from training.generative_run import GenerativeRun
from training.loop import Trainer
from training.parallel.processes import Processes
from training.recipe import Parent, Precision, recipe_for
from training.run_folder import kind_of_run
from training.start import Start

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

KINDS = (*GenerativeRun.kinds, *DiscriminativeRun.kinds)

T = TypeVar("T", bound="DataclassInstance")


class Validated(Protocol):
    """What a validation says of itself; its fields are numbers."""

    @property
    def summary(self) -> str: ...


class Reached(Protocol):
    """Where a run stands."""

    @property
    def step(self) -> int: ...
    @property
    def epoch(self) -> int: ...
    @property
    def validation(self) -> Validated | None: ...


class Training(Protocol):
    """A run of any kind: `training/loop.py`'s or `training/discriminative/trainer.py`'s."""

    step: int

    @property
    def steps(self) -> int: ...
    def resume(self) -> int: ...
    def run(self, report: Callable[[Reached], None] = ...) -> None: ...
    def save(self) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the command's options ask for; None leaves it to the preset."""

    kind: str
    preset: str
    out: Path
    device: torch.device
    processes: Processes
    checkpoint_seconds: float
    seed: int
    overrides: dict[str, Any]
    """Of the fields that every recipe has."""
    validate_every: int | None
    beta: float | None
    gamma: float | None
    inference_aware: float | None
    radius: float | None
    target_radius: float | None
    rival_steps: int | None
    sliced_wasserstein: float | None
    discriminator_steps: int | None
    wide_start: int | None
    deformation: float | None
    lighting: float | None
    precision: Precision | None
    start: Path | None
    epsilon: float | None
    attack_steps: int | None


def trainer_for(dataset: Dataset, wanted: Wanted) -> Training:
    """The trainer of a run, new or joined.

    Raises:
        ValueError: there is no such kind or preset, an option does not belong to the kind, or a value is not possible.
        RunError: `out` holds a run of something else, or `start` is no run that one can start from.
    """
    if wanted.kind in GenerativeRun.kinds:
        return _generative(dataset, wanted)
    if wanted.kind in DiscriminativeRun.kinds:
        return _discriminative(dataset, wanted)
    raise ValueError(f"unknown model {wanted.kind!r}: expected one of {', '.join(KINDS)}")


def _generative(dataset: Dataset, wanted: Wanted) -> Trainer:
    if wanted.attack_steps is not None and not wanted.epsilon:
        raise ValueError(f"--attack-steps: expected --epsilon with it, got {wanted.attack_steps} alone")
    recipe = replace(
        recipe_for(wanted.preset, dataset.like, cast("Kind", wanted.kind)), seed=wanted.seed, **wanted.overrides
    )
    start, parent = None, None
    if wanted.start is not None:
        start = _start(wanted.start, wanted.kind)
        parent = Parent(start.digest, start.description.recipe.flat())
    recipe = _with(
        recipe,
        parent=parent,
        precision=wanted.precision,
        validate_every=wanted.validate_every,
        discriminator_steps=wanted.discriminator_steps,
        wide_start=wanted.wide_start,
        deformation=wanted.deformation,
        lighting=wanted.lighting,
        epsilon=wanted.epsilon,
        attack_steps=wanted.attack_steps,
        objective=_with(
            recipe.objective,
            beta=wanted.beta,
            gamma=wanted.gamma,
            rival_search=wanted.inference_aware,
            radius=wanted.radius,
            target_radius=wanted.target_radius,
            rival_steps=wanted.rival_steps,
            sliced_wasserstein=wanted.sliced_wasserstein,
        ),
    )
    return Trainer(
        dataset,
        recipe,
        wanted.out,
        device=wanted.device,
        start=start,
        checkpoint_seconds=wanted.checkpoint_seconds,
        processes=wanted.processes,
    )


def _start(folder: Path, kind: str) -> Start[GenerativeModel] | Start[Cnn]:
    if kind_of_run(folder) == CNN:
        return DiscriminativeRun(folder).start()
    return GenerativeRun(folder).start(kind)


def _discriminative(dataset: Dataset, wanted: Wanted) -> DiscriminativeTrainer:
    _refuse(
        wanted,
        "validate_every",
        "beta",
        "gamma",
        "inference_aware",
        "radius",
        "target_radius",
        "rival_steps",
        "sliced_wasserstein",
        "discriminator_steps",
        "wide_start",
        "deformation",
        "lighting",
        "precision",
    )
    if wanted.processes.count > 1:
        raise ValueError(f"{wanted.kind}: expected one process, got {wanted.processes.count}")
    if wanted.kind == CNN:
        _refuse(wanted, "start", "epsilon", "attack_steps")
        recipe, start = cnn_recipe(wanted.preset, dataset.like), None
    else:
        recipe, start = _adversarial(dataset, wanted)
    return DiscriminativeTrainer(
        dataset,
        replace(recipe, seed=wanted.seed, **wanted.overrides),
        wanted.out,
        device=wanted.device,
        start=start,
        checkpoint_seconds=wanted.checkpoint_seconds,
    )


def _adversarial(dataset: Dataset, wanted: Wanted) -> tuple[DiscriminativeRecipe, Start[Cnn]]:
    if wanted.start is None:
        raise ValueError(f"{wanted.kind}: expected --from RUN, a run of `eabs train --model {CNN}` to start from")
    start = DiscriminativeRun(wanted.start).start()
    norm = ADVERSARIAL[wanted.kind]
    recipe = adversarial_recipe(wanted.preset, dataset.like, norm, initial_weights=start.digest)
    assert recipe.adversarial is not None  # noqa: S101 - for mypy
    adversarial = _with(recipe.adversarial, epsilon=wanted.epsilon, steps=wanted.attack_steps)
    return replace(recipe, adversarial=adversarial), start


def _with(recipe: T, **asked: Any) -> T:
    """The recipe, or a part of one, with what was asked for; None was not."""
    return replace(recipe, **{name: value for name, value in asked.items() if value is not None})


_OPTIONS = {"start": "from"}


def _refuse(wanted: Wanted, *names: str) -> None:
    for name in names:
        if getattr(wanted, name) is not None:
            option = _OPTIONS.get(name, name.replace("_", "-"))
            raise ValueError(f"--{option}: expected none with {wanted.kind}, got {getattr(wanted, name)}")
