from pathlib import Path

import pytest
import torch

from benchmarks.optimality import REFERENCE, measure_optimality, ways_to_infer
from eabs.architecture import PRESETS
from eabs.inference import LatentInference
from eabs.networks import EABS
from eabs.settings import EFFORTS, QuasiNewtonSettings
from training.datasets import Split, load_dataset


@pytest.fixture(scope="module")
def inference() -> LatentInference:
    torch.manual_seed(0)
    return LatentInference.prepare(EABS(PRESETS["mnist"]).eval(), beta=1.0, seed=0, candidates=16)


def test_gaps_are_above_the_best_that_any_way_found(inference: LatentInference, mnist_folder: Path) -> None:
    test = load_dataset("mnist", mnist_folder).test
    split = Split(test.images[:3], test.labels[:3])
    long = QuasiNewtonSettings(steps=20)
    ways = {"one step": QuasiNewtonSettings(steps=1), "long": long, "fast": EFFORTS["fast"]}
    heard: list[int] = []
    one, same, fast = measure_optimality(inference, split, ways, reference=long, advance=heard.append)
    assert sum(heard) == 4 * 3
    assert one.every.worst >= one.every.p95 >= one.every.median >= 0
    assert one.every.median > same.every.median
    assert same.disagreement == one.given_up == 0
    assert fast.given_up > 0
    assert fast.optimised.worst <= fast.every.worst


def test_noise_is_added_to_the_images_that_all_ways_see(inference: LatentInference, mnist_folder: Path) -> None:
    test = load_dataset("mnist", mnist_folder).test
    split = Split(test.images[:2], test.labels[:2])
    settings = QuasiNewtonSettings(steps=2)
    (same,) = measure_optimality(inference, split, {"same": settings}, noise=0.3, reference=settings)
    assert same.every.worst == 0


def test_the_reference_is_ten_times_the_work_of_thorough_and_hardly_ends_early() -> None:
    thorough = EFFORTS["thorough"]
    assert REFERENCE.steps * REFERENCE.starts == 10 * thorough.steps * thorough.starts
    assert REFERENCE.is_complete
    assert REFERENCE.tolerance < thorough.tolerance / 10
    assert REFERENCE.start_patience > thorough.start_patience


def test_the_efforts_and_the_papers_way_are_among_those_compared() -> None:
    ways = ways_to_infer()
    assert {*EFFORTS, "paper's Adam, 50 x 0.05"} <= ways.keys()
    assert "fast, every class" in ways
