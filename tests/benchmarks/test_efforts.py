from pathlib import Path

import pytest
import torch

from benchmarks.efforts import candidates_for_efforts, measure_efforts
from eabs.architecture import PRESETS
from eabs.inference import EFFORTS, LatentInference
from eabs.networks import EABS
from training.datasets import Split, load_dataset


def test_a_way_is_measured_by_its_gap_to_the_reference(mnist_folder: Path) -> None:
    torch.manual_seed(0)
    inference = LatentInference.prepare(EABS(PRESETS["mnist"]).eval(), beta=1.0, seed=0, candidates=16)
    test = load_dataset("mnist", mnist_folder).test
    found = measure_efforts(inference, Split(test.images[:2], test.labels[:2]), {"fast": EFFORTS["fast"]})
    assert [measurement.name for measurement in found] == ["reference", "fast"]
    assert found[0].median_gap == pytest.approx(0)
    assert found[1].p95_gap >= found[1].median_gap


def test_the_efforts_and_the_papers_way_are_among_those_compared() -> None:
    assert {*EFFORTS, "paper"} <= candidates_for_efforts().keys()
