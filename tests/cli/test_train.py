"""`eabs train`: its options, and `--model cnn|adv-linf|adv-l2`."""

import csv
import json
from pathlib import Path

import pytest

from tests.class_folders import write_class_folders
from tests.cli.conftest import Eabs
from tests.small_networks import small_networks  # noqa: F401 -- a fixture
from training.discriminative.run import DiscriminativeRun
from training.generative_run import GenerativeRun


@pytest.fixture
def train(eabs: Eabs, mnist_folder: Path) -> Eabs:
    def run(*arguments: object) -> object:
        common = ("--dataset", "mnist", "--data", mnist_folder, "--device", "cpu", "--epochs", 2, "--batch", 27)
        return eabs("train", *common, *arguments)

    return run  # type: ignore[return-value]


def test_adversarial_training_follows_that_of_the_cnn(train: Eabs, tmp_path: Path) -> None:
    cnn = train("--model", "cnn", "--out", tmp_path / "cnn", "--json")
    assert cnn.code == 0, cnn.err
    found = json.loads(cnn.out)
    assert (found["step"], found["epoch"], found["robust"]) == (12, 2, None)
    adversarial = train(
        "--model", "adv-l2", "--from", tmp_path / "cnn", "--out", tmp_path / "adv", "--epsilon", 1, "--attack-steps", 2,
        "--json",
    )  # fmt: skip
    assert adversarial.code == 0, adversarial.err
    found = json.loads(adversarial.out)
    assert 0 <= found["robust"] <= found["accuracy"] <= 1
    description = DiscriminativeRun(tmp_path / "adv").description()
    settings = description.recipe.adversarial
    assert settings is not None
    assert (settings.norm, settings.epsilon, settings.steps) == ("l2", 1, 2)

    again = train("--model", "adv-l2", "--from", tmp_path / "cnn", "--out", tmp_path / "adv")
    assert again.code == 2
    assert "holds a run with another data set or recipe" in again.err


def test_a_cnn_is_trained_with_the_noise_of_the_paper_where_none_is_named(train: Eabs, tmp_path: Path) -> None:
    for name, options in (("plain", ()), ("noiseless", ("--noise", 0))):
        assert train("--model", "cnn", "--out", tmp_path / name, *options).code == 0
    plain, noiseless = (DiscriminativeRun(tmp_path / name).description().recipe for name in ("plain", "noiseless"))
    assert (plain.augmentation_std, noiseless.augmentation_std) == (0.2, 0)


def test_a_cnn_learns_a_folder_of_one_s_own(eabs: Eabs, tmp_path: Path) -> None:
    data = write_class_folders(tmp_path / "digits", reach=1)
    outcome = eabs(
        "train", "--model", "cnn", "--dataset", "folder", "--data", data, "--out", tmp_path / "cnn", "--device", "cpu",
        "--epochs", 1, "--batch", 8,
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert DiscriminativeRun(tmp_path / "cnn").classifier().head.out_features == 3


@pytest.mark.usefixtures("small_networks")
def test_a_generative_model_can_learn_to_recreate_first_and_be_validated_seldom(train: Eabs, tmp_path: Path) -> None:
    recreates = ("--gamma", 0, "--inference-aware", 0, "--validate-every", 2)
    outcome = train("--out", tmp_path / "run", *recreates)
    assert outcome.code == 0, outcome.err
    recipe = GenerativeRun(tmp_path / "run").description().recipe
    assert (recipe.objective.gamma, recipe.objective.rival_search, recipe.validate_every) == (0, 0, 2)
    first, second = csv.DictReader((tmp_path / "run" / "log.csv").read_text().splitlines())
    assert first["latent"] == ""
    assert 0 <= float(second["latent"]) <= 1
    for row in (first, second):
        assert float(row["total"]) == pytest.approx(float(row["reconstruction"]) + float(row["adversarial"]), rel=1e-5)


@pytest.mark.usefixtures("small_networks")
def test_a_shared_encoder_can_begin_with_the_convolutions_of_a_cnn(train: Eabs, tmp_path: Path) -> None:
    assert train("--model", "cnn", "--out", tmp_path / "cnn").code == 0
    begun = ("--from", tmp_path / "cnn", "--epochs", 1, "--out")
    assert train(*begun, tmp_path / "run").code == 0
    parent = GenerativeRun(tmp_path / "run").description().recipe.parent
    assert parent is not None
    assert (parent.recipe["kind"], parent.recipe["epochs"]) == ("cnn", 2)
    assert parent.weights == DiscriminativeRun(tmp_path / "cnn").start().digest
    refused = train(*begun, tmp_path / "rivals", "--rival-steps", 2)
    assert refused.code == 2
    assert "rival_steps: expected a run to start from, whose decoders' statistics are known" in refused.err
    refused = train(*begun, tmp_path / "abs", "--model", "abs")
    assert refused.code == 2
    assert "abs: expected a run of its own kind to start from, since no encoder is shared" in refused.err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--model", "gan"), "unknown model 'gan': expected one of e-abs"),
        (("--model", "adv-linf"), "adv-linf: expected --from RUN"),
        (("--model", "adv-linf", "--from", "no-such-run"), "no-such-run: expected a folder that `eabs train` made"),
        (("--model", "cnn", "--from", "run"), "--from: expected none with cnn, got run"),
        (("--model", "cnn", "--attack-steps", 3), "--attack-steps: expected none with cnn, got 3"),
        (("--model", "cnn", "--inference-aware", 0), "--inference-aware: expected none with cnn, got 0"),
        (("--model", "cnn", "--gamma", 1), "--gamma: expected none with cnn, got 1"),
        (("--model", "cnn", "--validate-every", 2), "--validate-every: expected none with cnn, got 2"),
        (("--model", "abs", "--gamma", 1), "abs: expected a weight of 0 for what classes share"),
        (("--attack-steps", 2), "--attack-steps: expected --epsilon with it, got 2 alone"),
        (("--model", "cnn", "--preset", "slow"), "unknown preset 'slow'"),
    ],
)
def test_what_does_not_fit_the_model_is_a_usage_error(
    train: Eabs, tmp_path: Path, arguments: tuple[object, ...], complaint: str
) -> None:
    outcome = train("--out", tmp_path / "run", *arguments)
    assert outcome.code == 2
    assert complaint in outcome.err
    assert not (tmp_path / "run").exists()


def test_a_cnn_of_another_data_set_is_a_usage_error(
    train: Eabs, eabs: Eabs, mnist_folder: Path, tmp_path: Path
) -> None:
    assert train("--model", "cnn", "--out", tmp_path / "cnn").code == 0
    outcome = eabs(
        "train", "--model", "adv-l2", "--from", tmp_path / "cnn", "--dataset", "fashion_mnist", "--data", mnist_folder,
        "--out", tmp_path / "adv", "--device", "cpu", "--batch", 27,
    )  # fmt: skip
    assert outcome.code == 2
    assert "expected a start that was trained on the data set fashion_mnist, got one of mnist" in outcome.err


def test_a_data_set_that_is_not_there_is_a_usage_error(eabs: Eabs, tmp_path: Path) -> None:
    outcome = eabs("train", "--model", "cnn", "--dataset", "mnist", "--data", tmp_path, "--out", tmp_path / "cnn")
    assert outcome.code == 2
    assert "train-images-idx3-ubyte" in outcome.err
