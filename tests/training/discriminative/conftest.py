"""A small CNN trained on the digits, as a run."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from training.attacks.ball import Norm
from training.datasets import Dataset, load_dataset
from training.discriminative.network import Cnn
from training.discriminative.recipe import DiscriminativeRecipe, adversarial_recipe, cnn_recipe
from training.discriminative.run import DiscriminativeRun
from training.discriminative.trainer import DiscriminativeTrainer
from training.start import Start

CPU = torch.device("cpu")
CNN_RECIPE = replace(cnn_recipe("quick", "mnist"), epochs=6, batch=27, validation_fraction=0.25)


def short_adversarial(cnn: Start[Cnn], norm: Norm) -> DiscriminativeRecipe:
    """Adversarial training from a CNN by attacks of two steps, on what that CNN was trained on."""
    recipe = adversarial_recipe("quick", "mnist", norm, initial_weights=cnn.digest)
    assert recipe.adversarial is not None
    adversarial = replace(recipe.adversarial, steps=2, relative_step_size=1.0)
    return replace(
        recipe, epochs=2, batch=27, validation_fraction=0.25, adversarial=adversarial, robust_images=20, robust_steps=3
    )


@pytest.fixture(scope="session")
def digits(mnist_folder: Path) -> Dataset:
    return load_dataset("mnist", mnist_folder)


@pytest.fixture(scope="session")
def cnn_run(digits: Dataset, tmp_path_factory: pytest.TempPathFactory) -> DiscriminativeRun:
    out = tmp_path_factory.mktemp("cnn")
    DiscriminativeTrainer(digits, CNN_RECIPE, out, device=CPU).run()
    return DiscriminativeRun(out)


@pytest.fixture
def cnn(cnn_run: DiscriminativeRun) -> Start[Cnn]:
    return cnn_run.start()
