"""The whole line: train on real digits, publish, evaluate, classify."""

import json
from pathlib import Path

from tests.cli.conftest import Eabs
from tests.conftest import EXAMPLES


def test_a_trained_run_is_published_evaluated_and_classifies(eabs: Eabs, mnist_folder: Path, tmp_path: Path) -> None:
    run, store = tmp_path / "run", tmp_path / "store"
    trained = eabs(
        "train", "--dataset", "mnist", "--data", mnist_folder, "--out", run, "--device", "cpu",
        "--epochs", 2, "--batch", 32, "--json",
    )  # fmt: skip
    assert trained.code == 0, trained.err
    assert json.loads(trained.out)["step"] == 10

    published = eabs(
        "models", "publish", run, "--data", mnist_folder, "--store", store, "--alias", "production",
        "--effort", "fast", "--json",
    )  # fmt: skip
    assert published.code == 0, published.err
    assert json.loads(published.out)["version"] == "1"

    evaluated = eabs(
        "evaluate", "accuracy", "--model", "mnist@production", "--data", mnist_folder, "--store", store,
        "--effort", "fast", "--json",
    )  # fmt: skip
    assert evaluated.code == 0, evaluated.err
    found = json.loads(evaluated.out)
    assert found["images"] == 20
    assert found["accuracy"] == found["correct"] / 20

    classified = eabs("classify", EXAMPLES / "mnist-0-a.png", "--store", store, "--json")
    assert classified.code == 0, classified.err
    assert json.loads(classified.out)["model"]["version"] == "1"


def test_training_on_a_missing_folder_is_a_usage_error(eabs: Eabs, tmp_path: Path) -> None:
    outcome = eabs("train", "--dataset", "mnist", "--data", tmp_path, "--out", tmp_path / "run")
    assert outcome.code == 2
    assert "no such file" in outcome.err
