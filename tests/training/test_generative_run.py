"""Runs of every kind of generative model, trained for a few steps on real digits."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from eabs.settings import EFFORTS, PAPER_SETTINGS
from eabs.variant import KINDS, Kind
from training.datasets import load_dataset, to_unit_range
from training.export import draft_of_run
from training.generative_run import GenerativeRun
from training.loop import Progress, Trainer
from training.recipe import Recipe, recipe_for
from training.run_folder import RunError

CPU = torch.device("cpu")


def quick(kind: Kind, epochs: int = 2) -> Recipe:
    recipe = recipe_for("quick", "mnist", kind)
    return replace(recipe, epochs=epochs, batch=32, validation_images=4, validation_candidates=16, validate_every=9)


def trainer_of(kind: Kind, data: Path, out: Path, epochs: int = 2) -> Trainer:
    trainer = Trainer(load_dataset("mnist", data), quick(kind, epochs), out, device=CPU)
    trainer.resume()
    return trainer


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_trains_all_of_its_networks_and_infers(kind: Kind, mnist_folder: Path, tmp_path: Path) -> None:
    trainer = trainer_of(kind, mnist_folder, tmp_path)
    before = {name: parameter.detach().clone() for name, parameter in trainer.model.named_parameters()}
    seen: list[Progress] = []
    trainer.run(seen.append)
    assert seen[-1].terms.total < seen[0].terms.total
    assert seen[-1].validation is not None
    assert [name for name, now in trainer.model.named_parameters() if torch.equal(now, before[name])] == []
    run = GenerativeRun(tmp_path)
    assert run.description().recipe.kind == kind
    images = to_unit_range(load_dataset("mnist", mnist_folder).test.images[:2])
    scores = run.inference(candidates=16).infer(images, run.settings("fast")).scores
    assert scores.shape == (2, 10)
    assert scores.isfinite().all()


@pytest.mark.parametrize(
    ("kind", "losses"),
    [
        ("e-abs", ["total", "reconstruction", "adversarial", "discriminative", "rival"]),
        ("dv-abs", ["total", "reconstruction", "divergence", "discriminative", "rival"]),
        ("av-abs", ["total", "reconstruction", "adversarial"]),
        ("abs", ["total", "reconstruction", "divergence"]),
    ],
)
def test_the_log_has_the_losses_of_the_kind(kind: Kind, losses: list[str], mnist_folder: Path, tmp_path: Path) -> None:
    trainer_of(kind, mnist_folder, tmp_path, epochs=1).run()
    with (tmp_path / "log.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert list(row)[2 : 2 + len(losses)] == losses
    assert list(row)[2 + len(losses)] == "encoder"
    assert all(float(row[name]) > 0 for name in losses)


@pytest.mark.parametrize("kind", ["abs", "a-abs"])
def test_an_interrupted_run_resumes_to_the_numbers_of_an_undisturbed_one(
    kind: Kind, mnist_folder: Path, tmp_path: Path
) -> None:
    trainer_of(kind, mnist_folder, tmp_path / "undisturbed").run()

    def interrupt(progress: Progress) -> None:
        if progress.step == 3:
            raise KeyboardInterrupt

    interrupted = trainer_of(kind, mnist_folder, tmp_path / "interrupted")
    with pytest.raises(KeyboardInterrupt):
        interrupted.run(interrupt)
    interrupted.save()
    resumed = trainer_of(kind, mnist_folder, tmp_path / "interrupted")
    assert resumed.step == 3
    resumed.run()
    expected, found = (GenerativeRun(tmp_path / name).state() for name in ("undisturbed", "interrupted"))
    assert (found.step, found.metrics) == (expected.step, expected.metrics)
    assert found.tensors.keys() == expected.tensors.keys()
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in expected.tensors.items())


def test_inferring_distributions_changes_nothing_in_training(mnist_folder: Path, tmp_path: Path) -> None:
    kinds: tuple[Kind, ...] = ("abs", "v-abs")
    for kind in kinds:
        trainer_of(kind, mnist_folder, tmp_path / kind, epochs=1).run()
    exact, variational = (GenerativeRun(tmp_path / kind) for kind in kinds)
    weights = variational.model().state_dict()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in exact.model().state_dict().items())
    assert (exact.settings("fast"), variational.settings("fast")) == (EFFORTS["fast"], PAPER_SETTINGS)


def test_only_e_abs_is_published(mnist_folder: Path, tmp_path: Path) -> None:
    trainer_of("ad-abs", mnist_folder, tmp_path, epochs=1).run()
    with pytest.raises(RunError, match="expected a run that trains e-abs, got one of ad-abs"):
        draft_of_run(tmp_path, load_dataset("mnist", mnist_folder), name="mnist", device=CPU)


def test_a_run_of_another_kind_is_not_joined(mnist_folder: Path, tmp_path: Path) -> None:
    trainer_of("abs", mnist_folder, tmp_path)
    with pytest.raises(RunError, match="another data set or recipe"):
        trainer_of("v-abs", mnist_folder, tmp_path)
