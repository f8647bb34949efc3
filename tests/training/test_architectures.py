from dataclasses import replace

import pytest

from eabs.architecture import PRESETS
from training.architectures import ARCHITECTURES
from training.datasets import CLASS_LABELS
from training.recipe import AUGMENTATION_STD


@pytest.mark.parametrize("dataset", CLASS_LABELS)
def test_every_data_set_has_networks_for_its_classes_and_an_augmentation(dataset: str) -> None:
    assert ARCHITECTURES[dataset].classes == len(CLASS_LABELS[dataset])
    assert dataset in AUGMENTATION_STD


def test_gtsrb_has_the_networks_of_supertraffic10() -> None:
    assert replace(ARCHITECTURES["gtsrb"], classes=10) == PRESETS["supertraffic10"]
