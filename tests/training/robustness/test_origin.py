from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.class_folders import write_class_folders
from training.datasets import DatasetError, FolderOptions, holdout, load_dataset
from training.robustness.origin import Origin


@pytest.fixture
def origin(mnist_folder: Path) -> Origin:
    return Origin("mnist", load_dataset("mnist", mnist_folder).sources, None, 0.1, 3)


def test_the_validation_split_is_what_the_training_held_out(origin: Origin, mnist_folder: Path) -> None:
    dataset = origin.load(mnist_folder)
    _, held_out = holdout(dataset.train, 0.1, 3)
    assert torch.equal(origin.split(dataset, "validation").images, held_out.images)


def test_other_files_have_test_images_but_none_that_were_held_out(origin: Origin, mnist_folder: Path) -> None:
    other = replace(origin, sources={"a.gz": "sha256:0"})
    dataset = other.load(mnist_folder)
    assert torch.equal(other.split(dataset, "test").images, dataset.test.images)
    with pytest.raises(DatasetError, match="expected the files that were trained on"):
        other.split(dataset, "validation")


def test_a_folder_is_divided_as_the_training_divided_it(tmp_path: Path) -> None:
    folder = write_class_folders(tmp_path / "digits")
    trained = load_dataset("folder", folder, FolderOptions("L", 3))
    found = Origin("folder", trained.sources, "L", 0.1, 3).load(folder)
    assert torch.equal(found.test.images, trained.test.images)


def test_a_folder_of_other_images_is_refused(tmp_path: Path) -> None:
    folder = write_class_folders(tmp_path / "digits")
    with pytest.raises(DatasetError, match="expected the files that were trained on"):
        Origin("folder", {"digits": "sha256:0"}, "L", 0.1, 3).load(folder)
