from dataclasses import replace
from pathlib import Path

import pytest
import torch

from eabs.architecture import PRESETS
from eabs.networks import EABS
from training.baselines.cnn import Cnn
from training.baselines.recipe import CnnRecipe
from training.baselines.training import Epoch, accuracy, train_cnn
from training.datasets import holdout, load_dataset

CPU = torch.device("cpu")
RECIPE = CnnRecipe(epochs=6, batch=27, learning_rate=3e-3, validation_fraction=0.25)


@pytest.mark.parametrize("preset", PRESETS)
def test_it_is_the_encoder_with_one_linear_layer_after_it(preset: str) -> None:
    architecture = PRESETS[preset]
    network, model = Cnn(architecture), EABS(architecture)
    network.features.load_state_dict(model.encoder.features.state_dict())
    assert (network.head.in_features, network.head.out_features) == (architecture.encoder_features, 10)
    assert network(torch.zeros(2, *architecture.image)).shape == (2, 10)


def test_it_learns_digits_and_is_validated_on_what_was_held_out(mnist_folder: Path) -> None:
    dataset = load_dataset("mnist", mnist_folder)
    epochs: list[Epoch] = []
    network = train_cnn(dataset, RECIPE, device=CPU, report=epochs.append)
    assert [epoch.done for epoch in epochs] == [1, 2, 3, 4, 5, 6]
    assert epochs[-1].loss < epochs[0].loss
    assert not network.training
    _, held_out = holdout(dataset.train, RECIPE.validation_fraction, RECIPE.seed)
    assert epochs[-1].validation_accuracy == accuracy(network, held_out) > 0.5


def test_the_same_seed_trains_the_same_network(mnist_folder: Path) -> None:
    dataset = load_dataset("mnist", mnist_folder)
    short = replace(RECIPE, epochs=4)
    first, again, other = (train_cnn(dataset, replace(short, seed=seed), device=CPU) for seed in (1, 1, 2))
    assert torch.equal(first.head.weight, again.head.weight)
    assert not torch.equal(first.head.weight, other.head.weight)


def test_fewer_updates_than_a_learning_rate_can_cycle_in_are_refused(mnist_folder: Path) -> None:
    with pytest.raises(ValueError, match="expected at least 20 updates, got 3 epochs of 5"):
        train_cnn(load_dataset("mnist", mnist_folder), replace(RECIPE, epochs=3), device=CPU)


def test_a_batch_larger_than_the_training_split_is_refused(mnist_folder: Path) -> None:
    with pytest.raises(ValueError, match="batch: expected at most the 135 training images, got 136"):
        train_cnn(load_dataset("mnist", mnist_folder), replace(RECIPE, batch=136), device=CPU)
