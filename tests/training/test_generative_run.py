"""Runs of every kind of generative model, trained for a few steps on real digits."""

import csv
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest
import torch

from eabs.settings import EFFORTS, PAPER_SETTINGS
from eabs.variant import KINDS, Kind
from training.datasets import load_dataset, to_unit_range
from training.export import draft_of_run
from training.generative_run import GenerativeRun
from training.loop import Progress, Trainer
from training.recipe import recipe_for
from training.run_folder import RunError

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Trained:
    """A run of ten steps: its folder, the weights before them, and what was reported."""

    run: GenerativeRun
    before: dict[str, torch.Tensor]
    seen: list[Progress]


def trainer_of(kind: Kind, data: Path, out: Path) -> Trainer:
    recipe = replace(recipe_for("quick", "mnist", kind), epochs=2, batch=32)
    recipe = replace(recipe, validation_images=4, validation_candidates=16, validate_every=9)
    trainer = Trainer(load_dataset("mnist", data), recipe, out, device=CPU)
    trainer.resume()
    return trainer


@pytest.fixture(scope="module")
def trained(mnist_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Kind], Trained]:
    """A run of every kind, trained when it is first asked for."""

    @cache
    def train(kind: Kind) -> Trained:
        out = tmp_path_factory.mktemp(kind)
        trainer = trainer_of(kind, mnist_folder, out)
        before = {name: parameter.detach().clone() for name, parameter in trainer.model.named_parameters()}
        seen: list[Progress] = []
        trainer.run(seen.append)
        return Trained(GenerativeRun(out), before, seen)

    return train


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_trains_all_of_its_networks(kind: Kind, trained: Callable[[Kind], Trained]) -> None:
    found = trained(kind)
    assert found.run.description().recipe.kind == kind
    assert found.seen[-1].terms.total < found.seen[0].terms.total
    assert found.seen[-1].validation is not None
    after = dict(found.run.model().named_parameters())
    assert [name for name, weights in found.before.items() if torch.equal(after[name], weights)] == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_kinds_run_infers_as_the_kind_does(
    kind: Kind, trained: Callable[[Kind], Trained], mnist_folder: Path
) -> None:
    run = trained(kind).run
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
def test_the_log_has_the_losses_of_the_kind(kind: Kind, losses: list[str], trained: Callable[[Kind], Trained]) -> None:
    with (trained(kind).run.path / "log.csv").open(newline="") as file:
        first, *_ = csv.DictReader(file)
    assert list(first)[2 : 2 + len(losses)] == losses
    assert list(first)[2 + len(losses)] == "encoder"
    assert all(float(first[name]) > 0 for name in losses)


@pytest.mark.parametrize("kind", ["abs", "a-abs"])
def test_an_interrupted_run_resumes_to_the_numbers_of_an_undisturbed_one(
    kind: Kind, trained: Callable[[Kind], Trained], mnist_folder: Path, tmp_path: Path
) -> None:
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
    expected, found = trained(kind).run.state(), GenerativeRun(tmp_path / "interrupted").state()
    assert (found.step, found.metrics) == (expected.step, expected.metrics)
    assert found.tensors.keys() == expected.tensors.keys()
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in expected.tensors.items())


def test_inferring_distributions_changes_nothing_in_training(trained: Callable[[Kind], Trained]) -> None:
    exact, variational = trained("abs").run, trained("v-abs").run
    weights = variational.model().state_dict()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in exact.model().state_dict().items())
    assert (exact.settings("fast"), variational.settings("fast")) == (EFFORTS["fast"], PAPER_SETTINGS)


def test_only_e_abs_is_published(trained: Callable[[Kind], Trained], mnist_folder: Path) -> None:
    with pytest.raises(RunError, match="expected a run that trains e-abs, got one of ad-abs"):
        draft_of_run(trained("ad-abs").run.path, load_dataset("mnist", mnist_folder), name="mnist", device=CPU)


def test_a_run_of_another_kind_is_not_joined(mnist_folder: Path, tmp_path: Path) -> None:
    trainer_of("abs", mnist_folder, tmp_path)
    with pytest.raises(RunError, match="another data set or recipe"):
        trainer_of("v-abs", mnist_folder, tmp_path)
