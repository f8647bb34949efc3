from pathlib import Path

import torch

from eabs.architecture import PRESETS
from eabs.networks import EABS
from training.datasets import load_dataset
from training.validation import validate


def test_validation_reports_accuracies_and_leaves_the_model_in_training(mnist_folder: Path) -> None:
    torch.manual_seed(0)
    model = EABS(PRESETS["mnist"]).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    found = validate(model, load_dataset("mnist", mnist_folder).test, candidates=32)
    assert all(0 <= value <= 1 for value in (found.encoder, found.bank, found.latent))
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
