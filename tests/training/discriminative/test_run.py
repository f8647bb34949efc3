import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.training.discriminative.conftest import CNN_RECIPE, CPU, short_adversarial
from training.datasets import Dataset, to_unit_range
from training.discriminative.network import Cnn
from training.discriminative.run import DiscriminativeRun
from training.discriminative.trainer import DiscriminativeTrainer
from training.generative_run import GenerativeRun
from training.run_folder import RunDescription, RunError, kind_of_run
from training.start import Start


def test_its_classifier_can_be_asked_and_attacked_but_not_trained(cnn_run: DiscriminativeRun, digits: Dataset) -> None:
    network = cnn_run.classifier()
    assert not any(module.training for module in network.modules())
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert network(to_unit_range(digits.test.images)).shape == (20, 10)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_description_survives_the_disk(cnn: Start[Cnn], tmp_path: Path, norm: str) -> None:
    recipe = short_adversarial(cnn, norm)  # type: ignore[arg-type]
    description = RunDescription("mnist", recipe, {"a": "sha256:0"}, 9, 1)
    DiscriminativeRun(tmp_path).create(description)
    assert DiscriminativeRun(tmp_path).description() == description
    assert kind_of_run(tmp_path) == f"adv-{norm}"


def test_it_is_no_run_of_a_generative_model(cnn_run: DiscriminativeRun) -> None:
    with pytest.raises(RunError, match="got one of cnn"):
        GenerativeRun(cnn_run.path).description()


def test_a_damaged_description_is_reported(cnn: Start[Cnn], tmp_path: Path) -> None:
    DiscriminativeRun(tmp_path).create(cnn.description)
    file = tmp_path / "run.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"recipe": {"adversarial": None}}))
    with pytest.raises(RunError, match="expected a folder that `eabs train` made"):
        DiscriminativeRun(tmp_path).description()


def test_only_a_complete_cnn_is_started_from(digits: Dataset, cnn: Start[Cnn], tmp_path: Path) -> None:
    half = DiscriminativeTrainer(digits, CNN_RECIPE, tmp_path / "half", device=CPU)
    half.save()
    with pytest.raises(RunError, match="expected a complete run, got one at step 0 of 30"):
        half.folder.start()
    recipe = short_adversarial(cnn, "linf")
    adversarial = DiscriminativeTrainer(digits, recipe, tmp_path / "adv", device=CPU, start=cnn)
    adversarial.save()
    with pytest.raises(RunError, match="expected a run that trains cnn to start from, got one of adv-linf"):
        adversarial.folder.start()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"dataset": "fashion_mnist"}, "the data set mnist, got one of fashion_mnist"),
        ({"sources": {"a": "sha256:0"}}, "the files .*, got one of {'a': 'sha256:0'}"),
        ({"recipe": replace(CNN_RECIPE, seed=1)}, "the seed 0, got one of 1"),
        ({"recipe": replace(CNN_RECIPE, validation_fraction=0.1)}, "all but a share of 0.25, got one of 0.1"),
    ],
)
def test_a_cnn_of_other_images_is_not_started_from(
    digits: Dataset, cnn: Start[Cnn], tmp_path: Path, change: dict[str, object], complaint: str
) -> None:
    other = Start(cnn.network, replace(cnn.description, **change))  # type: ignore[arg-type]
    recipe = short_adversarial(other, "l2")
    with pytest.raises(RunError, match=f"expected a start that was trained on .*{complaint}"):
        DiscriminativeTrainer(digits, recipe, tmp_path / "adv", device=CPU, start=other)
    assert not (tmp_path / "adv").exists()


def test_weights_that_the_recipe_does_not_name_are_refused(digits: Dataset, cnn: Start[Cnn], tmp_path: Path) -> None:
    recipe = short_adversarial(cnn, "l2")
    with pytest.raises(ValueError, match=f"expected the weights {cnn.digest}, got None"):
        DiscriminativeTrainer(digits, recipe, tmp_path, device=CPU)
    torch.nn.init.zeros_(cnn.network.head.bias)
    with pytest.raises(ValueError, match="expected the weights"):
        DiscriminativeTrainer(digits, recipe, tmp_path, device=CPU, start=cnn)
