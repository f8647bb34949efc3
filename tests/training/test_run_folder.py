import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from eabs.architecture import PRESETS as ARCHITECTURES
from tests.class_folders import write_class_folders
from training.datasets import FolderOptions, load_dataset
from training.generative_run import GenerativeRun
from training.recipe import PRESETS
from training.run_folder import (
    Checkpoint,
    FolderClasses,
    RunDescription,
    RunError,
    kind_of_run,
    optimizer_tensors,
    restore_optimizer,
)

DESCRIPTION = RunDescription("mnist", PRESETS["quick"], {"a": "sha256:0"}, 9, 1)


def test_a_description_survives_the_disk(tmp_path: Path) -> None:
    GenerativeRun(tmp_path / "run").create(DESCRIPTION)
    assert GenerativeRun(tmp_path / "run").description() == DESCRIPTION


def test_a_run_says_what_kind_of_model_it_trains(tmp_path: Path) -> None:
    GenerativeRun(tmp_path).create(DESCRIPTION)
    assert kind_of_run(tmp_path) == json.loads((tmp_path / "run.json").read_text())["kind"] == "e-abs"


def test_a_run_of_another_kind_is_neither_read_nor_joined(tmp_path: Path) -> None:
    GenerativeRun(tmp_path).create(DESCRIPTION)
    written = json.loads((tmp_path / "run.json").read_text()) | {"kind": "cnn"}
    (tmp_path / "run.json").write_text(json.dumps(written))
    for ask in (GenerativeRun(tmp_path).description, lambda: GenerativeRun(tmp_path).create(DESCRIPTION)):
        with pytest.raises(RunError, match=r"expected a run that trains e-abs or abs or .*, got one of cnn"):
            ask()


def test_a_description_of_a_folder_remembers_its_classes(tmp_path: Path) -> None:
    description = replace(DESCRIPTION, dataset="folder", folder=FolderClasses(("cat", "dog"), "RGB"))
    GenerativeRun(tmp_path).create(description)
    found = GenerativeRun(tmp_path).description()
    assert found == description
    assert found.labels == ("cat", "dog")
    assert found.architecture == ARCHITECTURES["supertraffic10"].with_classes(2)


def test_a_run_reads_the_folder_that_it_trained_on_as_it_did_then(tmp_path: Path) -> None:
    data = write_class_folders(tmp_path / "digits", reach=1)
    recipe = replace(PRESETS["quick"], seed=3)
    trained_on = load_dataset("folder", data, FolderOptions("RGB", seed=3))
    GenerativeRun(tmp_path / "run").create(RunDescription.of(trained_on, recipe, train_images=38, validation_images=4))
    again = GenerativeRun(tmp_path / "run").dataset(data)
    assert again.sources == trained_on.sources
    assert torch.equal(again.test.images, trained_on.test.images)


def test_a_folder_with_another_run_is_not_joined(tmp_path: Path) -> None:
    GenerativeRun(tmp_path).create(DESCRIPTION)
    with pytest.raises(RunError, match="another data set or recipe"):
        GenerativeRun(tmp_path).create(replace(DESCRIPTION, dataset="fashion_mnist"))


def test_a_folder_that_is_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="expected a folder that `eabs train` made"):
        GenerativeRun(tmp_path).description()


def test_a_run_without_a_checkpoint_has_no_model(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no checkpoint yet"):
        GenerativeRun(tmp_path).model()


def test_a_checkpoint_survives_the_disk(tmp_path: Path) -> None:
    folder = GenerativeRun(tmp_path)
    assert folder.load() is None
    folder.save(Checkpoint(7, {"model.w": torch.arange(3.0), "other.w": torch.ones(1)}, {"latent": 0.5}))
    found = folder.load()
    assert found is not None
    assert (found.step, found.metrics) == (7, {"latent": 0.5})
    assert found.section("model")["w"].tolist() == [0, 1, 2]
    assert list(found.section("model")) == ["w"]


def test_an_optimisers_state_survives_flattening() -> None:
    def trained(steps: int, optimizer: torch.optim.Adam, weight: torch.nn.Parameter) -> None:
        for _ in range(steps):
            optimizer.zero_grad()
            (weight**2).sum().backward()
            optimizer.step()

    weight = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    optimizer = torch.optim.Adam([weight], 0.1)
    trained(3, optimizer, weight)
    copy = torch.nn.Parameter(weight.detach().clone())
    other = torch.optim.Adam([copy], 0.1)
    restore_optimizer(other, {k.removeprefix("x."): v for k, v in optimizer_tensors("x", optimizer).items()})
    trained(2, optimizer, weight)
    trained(2, other, copy)
    assert torch.equal(weight, copy)


def test_rows_past_a_step_and_torn_rows_are_forgotten(tmp_path: Path) -> None:
    folder = GenerativeRun(tmp_path)
    for step in (1, 2, 3):
        folder.log({"step": step, "loss": step / 2})
    with (tmp_path / "log.csv").open("a") as file:
        file.write("2")
    folder.forget_after(2)
    assert (tmp_path / "log.csv").read_text().split() == ["step,loss", "1,0.5", "2,1.0"]
