from dataclasses import replace
from pathlib import Path

import pytest

from eabs.architecture import PRESETS
from tests.class_folders import write_class_folders
from training.architectures import ARCHITECTURES
from training.datasets import CLASS_LABELS, FolderOptions, Mode, load_dataset
from training.recipe import PRESETS as RECIPES
from training.run_folder import RunDescription
from training.run_recipe import AUGMENTATION_STD


@pytest.mark.parametrize("dataset", CLASS_LABELS)
def test_every_data_set_has_networks_for_its_classes_and_an_augmentation(dataset: str) -> None:
    assert ARCHITECTURES[dataset].classes == len(CLASS_LABELS[dataset])
    assert dataset in AUGMENTATION_STD


def test_gtsrb_has_the_networks_of_supertraffic10() -> None:
    assert replace(ARCHITECTURES["gtsrb"], classes=10) == PRESETS["supertraffic10"]


@pytest.mark.parametrize(("mode", "like"), [("L", "mnist"), ("RGB", "supertraffic10")])
def test_a_folder_has_the_networks_of_the_set_that_its_images_are_like(tmp_path: Path, mode: Mode, like: str) -> None:
    dataset = load_dataset("folder", write_class_folders(tmp_path, reach=1), FolderOptions(mode))
    description = RunDescription.of(dataset, RECIPES["quick"], train_images=1, validation_images=1)
    assert description.architecture == PRESETS[like].with_classes(3)


def test_a_recipe_with_a_wide_start_has_wider_networks(tmp_path: Path) -> None:
    dataset = load_dataset("folder", write_class_folders(tmp_path, reach=1), FolderOptions("L"))
    recipe = replace(RECIPES["quick"], wide_start=2)
    description = RunDescription.of(dataset, recipe, train_images=1, validation_images=1)
    assert description.architecture == PRESETS["mnist"].with_classes(3).with_wide_start(2)
