import pytest
import torch

from benchmarks.engine import time_engine
from benchmarks.machine import Machine
from eabs.architecture import PRESETS
from eabs.inference import LatentInference
from eabs.networks import EABS

MACHINE = Machine("a processor", "2.13.0", gemm_gflops=100.0, copy_gb_per_s=10.0)


@pytest.fixture(scope="module")
def inference() -> LatentInference:
    torch.manual_seed(0)
    return LatentInference.prepare(EABS(PRESETS["mnist"]).eval(), beta=1.0, seed=0, candidates=16)


def test_every_effort_is_timed_against_the_floor_of_its_own_steps(inference: LatentInference) -> None:
    report = time_engine(inference, torch.rand(1, 1, 28, 28), machine=MACHINE, batches=(1,), repeats=1)
    assert {"fast", "standard", "thorough", "paper"} < {timing.settings for timing in report.timings}
    paper = next(timing for timing in report.timings if timing.settings == "paper")
    assert paper.floor_ms == 50 * max(report.step_gemm_ms, report.step_copy_ms)
    assert paper.ratio == paper.ms_per_image / paper.floor_ms


def test_a_batch_larger_than_the_images_is_refused(inference: LatentInference) -> None:
    with pytest.raises(ValueError, match="images: expected at least 2, got 1"):
        time_engine(inference, torch.rand(1, 1, 28, 28), machine=MACHINE, batches=(2,))
