"""The whole line with one's own images: a folder of real images is trained on, published, measured, and served."""

import json
from pathlib import Path

import httpx
import pytest

from service.settings import Settings
from tests.class_folders import write_class_folders
from tests.cli.conftest import Eabs
from tests.service.running_server import RunningServer
from tests.small_networks import small_networks  # noqa: F401 -- a fixture

pytestmark = pytest.mark.usefixtures("small_networks")


def test_a_folder_of_images_becomes_a_served_model(eabs: Eabs, tmp_path: Path) -> None:
    data, run, store = write_class_folders(tmp_path / "digits"), tmp_path / "run", tmp_path / "store"
    trained = eabs(
        "train", "--dataset", "folder", "--data", data, "--out", run, "--device", "cpu", "--epochs", 1, "--batch", 32,
        "--json",
    )  # fmt: skip
    assert trained.code == 0, trained.err
    assert json.loads(trained.out)["step"] == 3

    bank = eabs(
        "prototypes", "train", run, "--data", data, "--per-class", 4, "--components", 20, "--epochs", 1, "--json"
    )
    assert bank.code == 0, bank.err
    assert json.loads(bank.out)["banks"]["trained"]["prototypes"] == 12

    published = eabs(
        "models", "publish", run, "--data", data, "--store", store, "--name", "digits", "--alias", "production",
        "--effort", "fast", "--prototypes", "--reject-below", 0.9, "--licence", "CC0", "--json",
    )  # fmt: skip
    assert published.code == 0, published.err
    manifest = json.loads(eabs("models", "show", "digits", "--store", store).out)
    assert manifest["classes"] == ["0", "1", "7"]
    assert manifest["preprocessing"] == {"mode": "L", "size": 28, "value_range": [0, 1]}
    assert manifest["training_data"]["splits"] == {"train": 108, "validation": 12}
    assert (manifest["training_data"]["licence"], manifest["training_data"]["citation"]) == ("CC0", None)

    measured = ("evaluate", "accuracy", "--model", "digits", "--data", data, "--store", store, "--effort", "fast")
    evaluated = eabs(*measured, "--json")
    assert evaluated.code == 0, evaluated.err
    assert json.loads(evaluated.out)["images"] == 30

    image = next((data / "7").iterdir())
    with RunningServer(Settings(store=str(store), models="digits")) as server:
        answer = httpx.post(
            f"{server.url}/classify", content=image.read_bytes(), headers={"Content-Type": "image/png"}, timeout=60
        )
    assert answer.status_code == 200, answer.text
    assert [one["label"] for one in answer.json()["results"][0]["classes"]] == ["0", "1", "7"]

    image.unlink()
    assert "expected the images that were trained on" in eabs(*measured).err


def test_a_mode_is_for_folders_alone(eabs: Eabs, mnist_folder: Path, tmp_path: Path) -> None:
    outcome = eabs("train", "--dataset", "mnist", "--data", mnist_folder, "--out", tmp_path / "run", "--mode", "L")
    assert outcome.code == 2
    assert "mode: expected none with mnist" in outcome.err


def test_a_folder_without_classes_is_a_usage_error(eabs: Eabs, tmp_path: Path) -> None:
    outcome = eabs("train", "--dataset", "folder", "--data", tmp_path, "--out", tmp_path / "run")
    assert outcome.code == 2
    assert "at least two classes, got none" in outcome.err
