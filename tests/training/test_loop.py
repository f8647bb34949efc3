import csv
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from tests.eabs_process import start_eabs
from tests.small_networks import use_small_networks
from training.datasets import load_dataset
from training.discriminative.recipe import cnn_recipe
from training.discriminative.run import DiscriminativeRun
from training.discriminative.trainer import DiscriminativeTrainer
from training.generative_run import GenerativeRun
from training.loop import Progress, Trainer
from training.recipe import Parent, Recipe, recipe_for

CPU = torch.device("cpu")


@pytest.fixture
def recipe() -> Recipe:
    return replace(recipe_for("quick", "mnist"), epochs=3, batch=32, validation_candidates=32)


def train(folder: Path, recipe: Recipe, out: Path) -> list[Progress]:
    seen: list[Progress] = []
    trainer = Trainer(load_dataset("mnist", folder), recipe, out, device=CPU)
    trainer.resume()
    trainer.run(seen.append)
    return seen


def test_training_lowers_the_loss_and_reports_latent_validation(
    mnist_folder: Path, recipe: Recipe, tmp_path: Path
) -> None:
    seen = train(mnist_folder, replace(recipe, epochs=8, validate_every=8), tmp_path)
    assert [progress.step for progress in seen] == list(range(1, 41))
    assert seen[-1].terms.total < 0.6 * seen[0].terms.total
    assert seen[-1].validation is not None
    assert 0 <= seen[-1].validation.latent <= 1
    assert all(progress.validation is None for progress in seen[:-1])


def test_the_log_has_a_row_an_epoch_and_tensorboard_its_events(
    mnist_folder: Path, recipe: Recipe, tmp_path: Path
) -> None:
    train(mnist_folder, replace(recipe, epochs=2), tmp_path)
    with (tmp_path / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["step"], row["epoch"]) for row in rows] == [("5", "1"), ("10", "2")]
    assert all(float(row["latent"]) >= 0 and float(row["discriminative"]) > 0 for row in rows)
    assert list((tmp_path / "tensorboard").glob("events.*"))


def test_both_players_move(mnist_folder: Path, recipe: Recipe, tmp_path: Path) -> None:
    trainer = Trainer(load_dataset("mnist", mnist_folder), replace(recipe, epochs=1), tmp_path, device=CPU)
    before = {name: p.detach().clone() for name, p in trainer.model.named_parameters()}
    trainer.run()
    still = [name for name, p in trainer.model.named_parameters() if torch.equal(p, before[name])]
    assert still == []


def test_the_latents_distance_from_the_prior_is_trained_with_and_logged_where_it_has_a_weight(
    mnist_folder: Path, recipe: Recipe, tmp_path: Path
) -> None:
    objective = replace(recipe.objective, beta=0.0, sliced_wasserstein=100.0)
    seen = train(mnist_folder, replace(recipe, epochs=1, objective=objective), tmp_path)
    with (tmp_path / "log.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert 0 < float(row["sliced_wasserstein"]) == seen[-1].terms.sliced_wasserstein.item()


@pytest.mark.parametrize("name", ["deformation", "lighting"])
def test_a_changed_image_is_what_is_trained_on_and_is_repeated(
    mnist_folder: Path, recipe: Recipe, tmp_path: Path, name: str
) -> None:
    recipes = {"still": recipe, "changed": replace(recipe, **{name: 1.0}), "again": replace(recipe, **{name: 1.0})}
    still, changed, again = (
        train(mnist_folder, replace(one, epochs=1), tmp_path / name)[0].terms.reconstruction
        for name, one in recipes.items()
    )
    assert still != changed
    assert changed == again


def test_images_that_the_encoder_mistakes_are_trained_on_where_an_epsilon_says_how_far(
    mnist_folder: Path, recipe: Recipe, tmp_path: Path
) -> None:
    def first(epsilon: float, name: str) -> tuple[float, float]:
        chosen = replace(recipe, epochs=1, epsilon=epsilon, attack_steps=2, augmentation_std=0.0)
        terms = train(mnist_folder, chosen, tmp_path / name)[0].terms
        return terms.discriminative.item(), terms.reconstruction.item()

    plain, attacked, again = first(0.0, "plain"), first(4.0, "attacked"), first(4.0, "again")
    assert attacked[0] > plain[0]
    assert attacked == again


def test_a_training_starts_from_another_run_and_holds_its_statistics_where_rivals_descend(
    mnist_folder: Path, recipe: Recipe, tmp_path: Path
) -> None:
    recipe = replace(recipe, epochs=1)
    train(mnist_folder, recipe, tmp_path / "first")
    start = GenerativeRun(tmp_path / "first").start("e-abs")
    before = {name: value.clone() for name, value in start.network.state_dict().items()}
    objective = replace(recipe.objective, rival_steps=2)
    again = replace(recipe, objective=objective, parent=Parent(start.digest, start.description.recipe.flat()))
    dataset = load_dataset("mnist", mnist_folder)
    trainer = Trainer(dataset, again, tmp_path / "second", device=CPU, start=start)
    assert all(torch.equal(value, before[name]) for name, value in trainer.model.state_dict().items())
    trainer.run()
    run = GenerativeRun(tmp_path / "second")
    assert run.description().recipe == again
    for name, value in run.model().state_dict().items():
        held = name.startswith("decoders.") and "running" in name
        assert torch.equal(value, before[name]) == (held or ("num_batches" in name and "decoders" in name)), name


def test_an_encoder_begins_with_the_convolutions_of_a_cnn_and_the_rest_is_drawn(
    mnist_folder: Path, recipe: Recipe, tmp_path: Path
) -> None:
    dataset = load_dataset("mnist", mnist_folder)
    cnn = replace(cnn_recipe("quick", "mnist"), epochs=1, batch=recipe.batch)
    DiscriminativeTrainer(dataset, cnn, tmp_path / "cnn", device=CPU).run()
    start = DiscriminativeRun(tmp_path / "cnn").start()
    begun = replace(recipe, parent=Parent(start.digest, start.description.recipe.flat()))
    drawn = Trainer(dataset, recipe, tmp_path / "drawn", device=CPU).model.state_dict()
    features = {f"encoder.{name}": value for name, value in start.network.state_dict().items() if "features" in name}
    for name, value in Trainer(dataset, begun, tmp_path / "begun", device=CPU, start=start).model.state_dict().items():
        assert torch.equal(value, features.get(name, drawn[name])), name
    assert features.keys() < drawn.keys()
    assert not torch.equal(drawn["encoder.features.0.weight"], features["encoder.features.0.weight"])


def test_a_start_that_the_recipe_does_not_name_is_refused(mnist_folder: Path, recipe: Recipe, tmp_path: Path) -> None:
    recipe = replace(recipe, epochs=1)
    train(mnist_folder, recipe, tmp_path / "first")
    start = GenerativeRun(tmp_path / "first").start("e-abs")
    with pytest.raises(ValueError, match=f"start: expected the weights None, got {start.digest}"):
        Trainer(load_dataset("mnist", mnist_folder), recipe, tmp_path / "second", device=CPU, start=start)


def test_the_discriminator_is_updated_as_often_as_its_steps_say(
    mnist_folder: Path, recipe: Recipe, tmp_path: Path
) -> None:
    recipe = replace(recipe, epochs=1, discriminator_steps=3)
    trainer = Trainer(load_dataset("mnist", mnist_folder), recipe, tmp_path, device=CPU)
    trainer.run()
    checkpoint = GenerativeRun(tmp_path).load()
    assert checkpoint is not None
    updates = {
        network: {int(t) for name, t in checkpoint.section(network).items() if name.endswith(".step")}
        for network in ("autoencoder", "discriminator")
    }
    assert updates == {"autoencoder": {5}, "discriminator": {15}}


def test_half_precision_trains_the_same_weights_a_little_differently(
    mnist_folder: Path, recipe: Recipe, tmp_path: Path
) -> None:
    exact = train(mnist_folder, replace(recipe, epochs=1, precision="float32"), tmp_path / "exact")
    rough = train(mnist_folder, replace(recipe, epochs=1, precision="bf16"), tmp_path / "rough")
    first, last = ((rough[step].terms.total, exact[step].terms.total) for step in (0, -1))
    assert first[0] != first[1]
    assert first[0].item() == pytest.approx(first[1].item(), rel=0.02)
    assert last[0].item() == pytest.approx(last[1].item(), rel=0.2)
    model = GenerativeRun(tmp_path / "rough").model()
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_a_batch_larger_than_the_data_is_refused(mnist_folder: Path, recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected at most the 162 training images, got 500"):
        Trainer(load_dataset("mnist", mnist_folder), replace(recipe, batch=500), tmp_path, device=CPU)


def test_a_run_killed_without_warning_resumes_to_the_numbers_of_an_undisturbed_one(
    mnist_folder: Path, tmp_path: Path
) -> None:
    def train(out: Path, setup: Callable[[], None] = use_small_networks) -> int | None:
        """The exit code of the command."""
        options = f"--dataset mnist --epochs 3 --batch 32 --checkpoint-seconds 0 --threads 1 --device cpu --out {out}"
        arguments = ["train", "--data", mnist_folder, *options.split()]
        process = start_eabs(*arguments, log=tmp_path / "log", setup=setup)
        process.join()
        return process.exitcode

    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    assert train(undisturbed) == 0
    # In the middle of the first epoch; then at the end of the second, which the log has and the checkpoint has not.
    for checkpoints, step in ((3, 2), (8, 9)):
        assert train(killed, partial(die_before_checkpoint, checkpoints)) == -signal.SIGKILL
        left = GenerativeRun(killed).load()
        assert left is not None
        assert left.step == step
    logged = (killed / "log.csv").read_text().splitlines()[1:]
    assert [row.split(",")[0] for row in logged] == ["5", "10"]
    assert train(killed) == 0

    expected, found = GenerativeRun(undisturbed).load(), GenerativeRun(killed).load()
    assert expected is not None
    assert found is not None
    assert (found.step, found.metrics) == (expected.step, expected.metrics)
    assert found.tensors.keys() == expected.tensors.keys()
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in expected.tensors.items())
    assert (killed / "log.csv").read_text() == (undisturbed / "log.csv").read_text()


def die_before_checkpoint(number: int) -> None:
    """Trains small networks, and kills this process where the checkpoint of that number, from 1, is written and about
    to take the place of the one before."""
    use_small_networks()
    written = 0

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal written
        if event == "os.rename" and str(arguments[1]).endswith("checkpoint.safetensors"):
            written += 1
            if written == number:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
