import csv
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.training.discriminative.conftest import CNN_RECIPE, CPU, short_adversarial
from training.attacks.ball import Norm
from training.datasets import Dataset, holdout
from training.discriminative.network import Cnn
from training.discriminative.run import DiscriminativeRun
from training.discriminative.trainer import DiscriminativeTrainer, Progress
from training.discriminative.validation import logits
from training.start import Start


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_cnn_learns_digits_and_is_validated_on_what_was_held_out(cnn_run: DiscriminativeRun, digits: Dataset) -> None:
    log = rows(cnn_run.path)
    assert [(row["step"], row["epoch"]) for row in log] == [(str(5 * epoch), str(epoch)) for epoch in range(1, 7)]
    assert float(log[-1]["loss"]) < float(log[0]["loss"])
    _, held_out = holdout(digits.train, CNN_RECIPE.validation_fraction, CNN_RECIPE.seed)
    right = (logits(cnn_run.classifier(), held_out.images).argmax(1) == held_out.labels).double().mean().item()
    assert float(log[-1]["accuracy"]) == right > 0.5
    assert list((cnn_run.path / "tensorboard").glob("events.*"))


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_adversarial_training_starts_from_the_cnn_and_resists_better(
    digits: Dataset, cnn: Start[Cnn], tmp_path: Path, norm: Norm
) -> None:
    # A ball that a CNN of twenty digits can learn to resist in.
    short = short_adversarial(cnn, norm)
    assert short.adversarial is not None
    epsilon = 0.1 if norm == "linf" else 1.0
    recipe = replace(short, epochs=8, adversarial=replace(short.adversarial, epsilon=epsilon))
    seen: list[Progress] = []
    trainer = DiscriminativeTrainer(digits, recipe, tmp_path, device=CPU, start=cnn)
    for name, tensor in trainer.network.state_dict().items():
        assert torch.equal(tensor, cnn.network.state_dict()[name])
    trainer.run(seen.append)
    assert [progress.step for progress in seen] == list(range(1, 41))
    robust = [progress.validation.robust for progress in seen if progress.validation is not None]
    assert len(robust) == 8
    assert [str(share) for share in robust] == [row["robust"] for row in rows(tmp_path)]
    first, last = robust[0], robust[-1]
    assert first is not None
    assert last is not None
    assert last > first
    assert seen[-1].loss < seen[0].loss


def test_the_same_seed_trains_the_same_network(digits: Dataset, tmp_path: Path) -> None:
    def weights(run: str, seed: int) -> torch.Tensor:
        recipe = replace(CNN_RECIPE, epochs=2, seed=seed)
        DiscriminativeTrainer(digits, recipe, tmp_path / run, device=CPU).run()
        return DiscriminativeRun(tmp_path / run).classifier().head.weight

    first, again, other = weights("first", 1), weights("again", 1), weights("other", 2)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("kind", ["cnn", "linf", "l2"])
def test_a_run_that_was_interrupted_resumes_to_the_numbers_of_an_undisturbed_one(
    digits: Dataset, cnn: Start[Cnn], tmp_path: Path, kind: str
) -> None:
    start = None if kind == "cnn" else cnn
    recipe = replace(CNN_RECIPE, epochs=2) if start is None else short_adversarial(cnn, kind)  # type: ignore[arg-type]

    def trainer(run: str) -> DiscriminativeTrainer:
        made = DiscriminativeTrainer(digits, recipe, tmp_path / run, device=CPU, start=start, checkpoint_seconds=0)
        made.resume()
        return made

    class KilledError(Exception):
        pass

    def kill_at(step: int, progress: Progress) -> None:
        if progress.step == step:
            raise KilledError

    trainer("undisturbed").run()
    for step in (3, 7):  # in the middle of the first epoch, then of the second
        with pytest.raises(KilledError):
            trainer("killed").run(lambda progress, step=step: kill_at(step, progress))  # type: ignore[misc]
    resumed = trainer("killed")
    assert resumed.step == 7
    resumed.run()

    expected, found = (DiscriminativeRun(tmp_path / run).load() for run in ("undisturbed", "killed"))
    assert expected is not None
    assert found is not None
    assert (found.step, found.metrics) == (expected.step, expected.metrics) == (10, expected.metrics)
    assert found.tensors.keys() == expected.tensors.keys()
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in expected.tensors.items())
    assert (tmp_path / "killed" / "log.csv").read_text() == (tmp_path / "undisturbed" / "log.csv").read_text()


def test_a_batch_larger_than_the_training_split_is_refused(digits: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="batch: expected at most the 135 training images, got 136"):
        DiscriminativeTrainer(digits, replace(CNN_RECIPE, batch=136), tmp_path, device=CPU)
