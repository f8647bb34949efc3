from dataclasses import replace
from pathlib import Path

import pytest
import torch

from eabs.settings import EFFORTS
from training.datasets import holdout, load_dataset, to_unit_range
from training.export import calibrate, draft_of_run
from training.loop import Trainer
from training.prototypes.folder import PrototypeFolder
from training.prototypes.loop import PrototypeTrainer, first_of_each_class
from training.prototypes.recipe import PrototypeRecipe
from training.recipe import recipe_for
from training.run_folder import RunError

CPU = torch.device("cpu")
# Half is held out, so that every class has some images to calibrate it.
RECIPE = replace(recipe_for("quick", "mnist"), epochs=1, batch=32, validation_candidates=32, validation_fraction=0.5)


def test_the_temperature_minimises_the_cross_entropy() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(4000, 5, generator=generator)
    labels = torch.distributions.Categorical(logits=logits).probs.multinomial(1, generator=generator).squeeze(1)
    # Scores stretched 20-fold are calibrated by a temperature of 20.
    assert calibrate(-20 * logits, labels, reject_below=0.01).temperature == pytest.approx(20, rel=0.1)


def test_calibration_scores_are_the_own_scores_of_each_class_in_order() -> None:
    scores = torch.tensor([[3.0, 9.0], [1.0, 8.0], [7.0, 2.0]])
    calibration = calibrate(scores, torch.tensor([0, 0, 1]), reject_below=0.6)
    assert calibration.scores == [[1.0, 3.0], [2.0]]
    assert calibration.typicality(0, 2.0) == pytest.approx((1 + 1) / (2 + 1))


def test_a_threshold_that_the_images_of_a_class_are_too_few_for_is_refused() -> None:
    scores = torch.tensor([[3.0, 9.0], [1.0, 8.0], [7.0, 2.0]])
    with pytest.raises(ValueError, match=r"expected 0, or more than 0.5, .* the 1 scores of class 1 can give"):
        calibrate(scores, torch.tensor([0, 0, 1]), reject_below=0.4)


def test_a_draft_describes_its_run(mnist_folder: Path, tmp_path: Path) -> None:
    dataset = load_dataset("mnist", mnist_folder)
    Trainer(dataset, RECIPE, tmp_path, device=CPU).run()
    done: list[int] = []
    model, bank, draft = draft_of_run(
        tmp_path, dataset, name="digits", effort="fast", reject_below=0.2, device=CPU, advance=done.append
    )
    assert sum(done) == 90
    assert draft.name == "digits"
    assert draft.training_data.splits == {"train": 90, "validation": 90}
    assert draft.training_recipe["steps"] == 2
    assert draft.metrics.keys() == {"validation_accuracy_fast", "validation_images"}
    assert draft.calibration.effort in EFFORTS
    assert draft.calibration.reject_below == 0.2
    assert not model.training
    assert bank is None
    assert draft.prototypes is None


def test_a_draft_describes_the_bank_that_is_to_be_shipped(mnist_folder: Path, tmp_path: Path) -> None:
    dataset = load_dataset("mnist", mnist_folder)
    Trainer(dataset, RECIPE, tmp_path, device=CPU).run()
    with pytest.raises(RunError, match="expected a bank that `eabs prototypes train` made"):
        draft_of_run(tmp_path, dataset, name="digits", device=CPU, with_prototypes=True)
    train, _ = holdout(dataset.train, RECIPE.validation_fraction, RECIPE.seed)
    few = PrototypeRecipe(per_class=3, components=10, epochs=1)
    made = PrototypeTrainer(train, to_unit_range(first_of_each_class(train, 3).images), few).run()
    PrototypeFolder(tmp_path).save(made, few)
    _, bank, draft = draft_of_run(
        tmp_path, dataset, name="digits", effort="fast", reject_below=0.2, device=CPU, with_prototypes=True
    )
    assert bank is not None
    assert torch.equal(bank.coordinates, made.coordinates)
    assert draft.prototypes is not None
    assert draft.prototypes.images == 30
    assert draft.prototypes.calibration.reject_below == 0.2
    assert draft.prototypes.recipe["deformation_rotation"] == few.deformation.rotation
    assert draft.prototypes.metrics.keys() > {"validation_accuracy", "validation_certified_1.58"}
    assert sum(len(scores) for scores in draft.prototypes.calibration.scores) == 90


def test_a_run_of_other_files_is_refused(mnist_folder: Path, tmp_path: Path) -> None:
    dataset = load_dataset("mnist", mnist_folder)
    Trainer(dataset, RECIPE, tmp_path, device=CPU)
    other = replace(dataset, sources={"x": "sha256:0"})
    with pytest.raises(RunError, match="trained on other files"):
        draft_of_run(tmp_path, other, name="digits", device=CPU)
