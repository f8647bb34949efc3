import json
from pathlib import Path

import pytest
import torch

from eabs.architecture import PRESETS
from training.baselines.cnn import Cnn
from training.baselines.folder import BaselineDescription, BaselineFolder
from training.baselines.recipe import CnnRecipe
from training.run_folder import RunError

DESCRIPTION = BaselineDescription("mnist", {"a.gz": "sha256:0"}, CnnRecipe(epochs=3), 0.9)


@pytest.fixture
def folder(tmp_path: Path) -> BaselineFolder:
    folder = BaselineFolder(tmp_path / "cnn")
    torch.manual_seed(0)
    folder.save(Cnn(PRESETS["mnist"]), DESCRIPTION)
    return folder


def test_a_network_comes_back_as_it_was_saved(folder: BaselineFolder) -> None:
    torch.manual_seed(0)
    saved = Cnn(PRESETS["mnist"]).eval()
    network, description = folder.load()
    assert description == DESCRIPTION
    assert not network.training
    images = torch.rand(2, 1, 28, 28)
    assert torch.equal(network(images), saved(images))


def test_no_baseline_is_reported_with_what_makes_one(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="eabs baselines train"):
        BaselineFolder(tmp_path).load()


@pytest.mark.parametrize("damage", ["weights", "description", "architecture"])
def test_a_damaged_baseline_is_reported(folder: BaselineFolder, damage: str) -> None:
    weights, description = folder.path / "weights.safetensors", folder.path / "baseline.json"
    if damage == "weights":
        weights.write_bytes(weights.read_bytes()[:1000])
    elif damage == "description":
        description.write_text("{}")
    else:
        description.write_text(json.dumps(json.loads(description.read_text()) | {"dataset": "svhn"}))
    with pytest.raises(RunError, match="eabs baselines train"):
        folder.load()
