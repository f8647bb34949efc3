"""Trains a few steps in float64 and writes their losses and the weights' norms; for a process of its own."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import torch

from eabs.variant import Kind
from tests.small_networks import use_small_networks
from training import loop
from training.datasets import load_dataset
from training.parallel.processes import started_by_torchrun
from training.recipe import recipe_for

STEPS = 11
LOSSES = (
    "total",
    "reconstruction",
    "adversarial",
    "divergence",
    "discriminative",
    "rival",
    "radius",
    "sliced_wasserstein",
)


class _EnoughError(Exception):
    """The training has gone on for long enough."""


def write_curve(kind: Kind, data: Path, run: Path, file: Path, environment: Mapping[str, str]) -> None:
    """Alone, or with others where the environment is as torchrun makes it."""
    os.environ.update(environment)
    use_small_networks()
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    loop.to_unit_range = lambda images: images.double() / 255  # type: ignore[assignment]
    # Five steps an epoch; the learning rate is at its highest in the fifth.
    recipe = replace(recipe_for("quick", "mnist", kind), epochs=4, batch=32, warm_up=0.2, validate_every=100)
    if recipe.variant.discriminative:
        objective = replace(recipe.objective, radius=1.0, sliced_wasserstein=1.0)
        recipe = replace(recipe, objective=objective, discriminator_steps=2, epsilon=1.0)
    seen: list[dict[str, float]] = []

    def remember(progress: loop.Progress) -> None:
        seen.append({name: getattr(progress.terms, name).item() for name in LOSSES})
        if progress.step == STEPS:  # in the middle of an epoch: nothing is validated
            raise _EnoughError

    with started_by_torchrun(torch.device("cpu")) as (processes, device):
        trainer = loop.Trainer(load_dataset("mnist", data), recipe, run, device=device, processes=processes)
        with suppress(_EnoughError):
            trainer.run(remember)
    if processes.first:
        norms = {name: tensor.double().norm().item() for name, tensor in trainer.model.state_dict().items()}
        file.write_text(json.dumps({"processes": processes.count, "losses": seen, "norms": norms}))
