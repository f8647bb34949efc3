"""`eabs evaluate out-of-distribution`, also with what `eabs train --model cnn` makes."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from eabs.settings import EFFORTS
from model_store import ManifestDraft, ModelStore, TrainingData, prepare_inference
from tests.cli.conftest import Eabs
from tests.conftest import write_idx
from training.datasets import load_dataset, to_unit_range
from training.out_of_distribution.measures import auroc
from training.out_of_distribution.synthetic import synthetic_images


@pytest.fixture(scope="module")
def own_store(store: Path, mnist_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small random model, said to be trained on the twenty digits."""
    loaded = ModelStore(store).load("mnist")
    fields = {name: getattr(loaded.manifest, name) for name in ManifestDraft.model_fields}
    sources = load_dataset("mnist", mnist_folder).sources
    fields["training_data"] = TrainingData(dataset="mnist", splits={}, sources=sources)
    root = tmp_path_factory.mktemp("store")
    ModelStore(root).publish(loaded.model, ManifestDraft.model_validate(fields))
    return root


@pytest.fixture(scope="module")
def bright_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three white images, in the format of Fashion-MNIST."""
    folder = tmp_path_factory.mktemp("fashion")
    for part in ("train", "t10k"):
        write_idx(folder / f"{part}-images-idx3-ubyte.gz", np.full((3, 28, 28), 255))
        write_idx(folder / f"{part}-labels-idx1-ubyte.gz", np.arange(3))
    return folder


@pytest.fixture
def train(eabs: Eabs, mnist_folder: Path, tmp_path: Path) -> Eabs:
    def run(*arguments: object) -> object:
        few = ("--out", tmp_path / "cnn", "--epochs", 2, "--batch", 16)
        common = ("--model", "cnn", "--dataset", "mnist", "--data", mnist_folder, "--device", "cpu")
        return eabs("train", *common, *few, *arguments)

    return run  # type: ignore[return-value]


@pytest.fixture
def evaluate(eabs: Eabs, own_store: Path, mnist_folder: Path) -> Eabs:
    def run(*arguments: object) -> object:
        common = ("--model", "mnist", "--data", mnist_folder, "--store", own_store, "--images", 2)
        return eabs("evaluate", "out-of-distribution", *common, *arguments)

    return run  # type: ignore[return-value]


def test_every_measure_is_held_against_every_set(
    evaluate: Eabs, train: Eabs, own_store: Path, mnist_folder: Path, bright_folder: Path, tmp_path: Path
) -> None:
    assert train().code == 0
    outcome = evaluate("--cnn", tmp_path / "cnn", "--against", f"fashion_mnist={bright_folder}", "--json")
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    assert (found["model"]["name"], found["effort"]) == ("mnist", "fast")
    assert set(found["measures"]) == {"latent typicality", "latent score", "cnn softmax"}
    kinds = {"fashion_mnist", *synthetic_images(load_dataset("mnist", mnist_folder).test.images / 255)}
    for name, measure in found["measures"].items():
        assert measure["images"] == (20 if name == "cnn softmax" else 2)
        assert set(measure["against"]) == kinds
        for separation in measure["against"].values():
            assert 0 <= separation["auroc"] <= 1
    digits = to_unit_range(load_dataset("mnist", mnist_folder).test.images[[0, 10]])
    inference = prepare_inference(ModelStore(own_store).load("mnist"), cache=None)
    scores = [inference.infer(images, EFFORTS["fast"]).scores.amin(1) for images in (digits, torch.ones_like(digits))]
    expected = auroc(*(one.double() for one in scores))
    assert found["measures"]["latent score"]["against"]["fashion_mnist"]["auroc"] == expected
    assert found["measures"]["cnn softmax"]["against"]["fashion_mnist"]["images"] == 3


def test_the_table_names_every_set(evaluate: Eabs) -> None:
    outcome = evaluate()
    assert outcome.code == 0, outcome.err
    for word in ("mnist itself", "uniform noise", "typicality", "AUROC", "rejected"):
        assert word in outcome.out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--against", "fashion_mnist"), "expected NAME=DIR, got 'fashion_mnist'"),
        (("--against", "letters=."), "unknown data set 'letters'"),
        (("--cnn", "no-such-folder"), "eabs train"),
    ],
)
def test_what_cannot_be_compared_with_is_a_usage_error(
    evaluate: Eabs, arguments: tuple[str, ...], complaint: str
) -> None:
    outcome = evaluate(*arguments)
    assert outcome.code == 2
    assert complaint in outcome.err


def test_a_network_that_was_trained_on_other_images_is_a_usage_error(
    evaluate: Eabs, train: Eabs, tmp_path: Path
) -> None:
    assert train("--seed", 1).code == 0
    outcome = evaluate("--cnn", tmp_path / "cnn")
    assert outcome.code == 2
    assert "expected a network trained on the images that mnist was trained on" in outcome.err
