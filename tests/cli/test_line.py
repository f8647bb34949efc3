"""The whole line: train on real digits, publish, evaluate, classify."""

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Eabs, Outcome, run_eabs
from tests.conftest import EXAMPLES
from tests.small_networks import small_networks  # noqa: F401 -- a fixture

pytestmark = pytest.mark.usefixtures("small_networks")


@pytest.fixture(scope="module")
def trained(
    small_networks: None,  # noqa: ARG001, F811 -- the fixture
    mnist_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, Outcome]:
    """A run, and what its training said."""
    out = tmp_path_factory.mktemp("trained") / "run"
    outcome = run_eabs(
        "train", "--dataset", "mnist", "--data", mnist_folder, "--out", out, "--device", "cpu",
        "--epochs", 2, "--batch", 32, "--json",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    return out, outcome


@pytest.fixture
def run(trained: tuple[Path, Outcome], tmp_path: Path) -> Path:
    """That run, to do with as one likes."""
    return Path(shutil.copytree(trained[0], tmp_path / "run"))


def test_a_trained_run_is_published_evaluated_and_classifies(
    eabs: Eabs, trained: tuple[Path, Outcome], run: Path, mnist_folder: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    assert json.loads(trained[1].out)["step"] == 10

    bank = eabs(
        "prototypes", "train", run, "--data", mnist_folder, "--per-class", 4, "--components", 20, "--epochs", 2,
        "--json",
    )  # fmt: skip
    assert bank.code == 0, bank.err
    assert json.loads(bank.out)["banks"]["trained"]["prototypes"] == 40

    published = eabs(
        "models", "publish", run, "--data", mnist_folder, "--store", store, "--alias", "production",
        "--effort", "fast", "--prototypes", "--reject-below", 0, "--json",
    )  # fmt: skip
    assert published.code == 0, published.err
    assert json.loads(published.out)["version"] == "1"
    assert "prototypes_validation_certified_1.58" in json.loads(published.out)["metrics"]

    evaluated = eabs(
        "evaluate", "accuracy", "--model", "mnist@production", "--data", mnist_folder, "--store", store,
        "--effort", "fast", "--json",
    )  # fmt: skip
    assert evaluated.code == 0, evaluated.err
    found = json.loads(evaluated.out)
    assert found["images"] == 20
    assert found["accuracy"] == found["correct"] / 20

    bound = eabs(
        "evaluate", "certified", "--model", "mnist", "--data", mnist_folder, "--store", store,
        "--certificate", "finite-bank", "--json",
    )  # fmt: skip
    assert bound.code == 0, bound.err
    files = [tmp_path / "accuracy.json", tmp_path / "certified.json"]
    for file, outcome in zip(files, (evaluated, bound), strict=True):
        file.write_text(outcome.out)
    publish_measured = (
        "models", "publish", run, "--data", mnist_folder, "--store", store, "--effort", "fast", "--reject-below", 0,
        "--evaluation", files[0], "--evaluation", files[1],
    )  # fmt: skip
    assert "licence, citation: expected none for mnist" in eabs(*publish_measured, "--licence", "MIT").err
    without_bank = eabs(*publish_measured)
    assert without_bank.code == 1
    assert "expected a result of the prototype bank None, got sha256:" in without_bank.err
    measured = eabs(*publish_measured, "--prototypes", "--json")
    assert measured.code == 0, measured.err
    assert json.loads(measured.out)["version"] == "2"
    card = eabs("models", "card", "mnist@2", "--store", store)
    assert card.code == 0, card.err
    assert "| test | 20 | classifier: latent; solver: quasi-newton; effort: fast | " in card.out
    assert "### Certified by finite-bank\n20 test images; a proof." in card.out
    assert "- licence: CC BY-SA 3.0\n" in card.out

    classified = eabs("classify", EXAMPLES / "mnist-0-a.png", "--store", store, "--json")
    assert classified.code == 0, classified.err
    assert json.loads(classified.out)["model"]["version"] == "1"

    certified = eabs(
        "certify", EXAMPLES / "mnist-0-a.png", "--store", store, "--method", "finite-bank",
        "--classifier", "finite-bank", "--bracket", "--json",
    )  # fmt: skip
    assert certified.code == 0, certified.err
    certificate = json.loads(certified.out)["results"][0]["certificate"]
    assert certificate["sound"] is True
    assert certificate["radius"] < certificate["attack_upper_bound"]


def test_banks_are_compared_on_the_same_images(eabs: Eabs, run: Path, mnist_folder: Path) -> None:
    compared = eabs(
        "prototypes", "compare", run, "--data", mnist_folder, "--bank", "images", "--bank", "recreations",
        "--split", "test", "--json",
    )  # fmt: skip
    assert compared.code == 0, compared.err
    banks = json.loads(compared.out)["banks"]
    assert {name: found["prototypes"] for name, found in banks.items()} == {"images": 162, "recreations": 162}
    for found in banks.values():
        assert found["images"] == 20
        assert list(found["certified"].values()) == sorted(found["certified"].values(), reverse=True)


def test_a_run_without_a_bank_says_how_to_make_one(eabs: Eabs, run: Path, mnist_folder: Path) -> None:
    outcome = eabs("prototypes", "compare", run, "--data", mnist_folder, "--bank", "trained")
    assert outcome.code == 2
    assert "eabs prototypes train" in outcome.err


def test_training_on_a_missing_folder_is_a_usage_error(eabs: Eabs, tmp_path: Path) -> None:
    outcome = eabs("train", "--dataset", "mnist", "--data", tmp_path, "--out", tmp_path / "run")
    assert outcome.code == 2
    assert "no such file" in outcome.err
