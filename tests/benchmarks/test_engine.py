import torch

from benchmarks.engine import time_engine
from eabs.architecture import PRESETS
from eabs.inference import LatentInference
from eabs.networks import EABS


def test_every_effort_is_timed_against_the_floor() -> None:
    torch.manual_seed(0)
    inference = LatentInference.prepare(EABS(PRESETS["mnist"]).eval(), beta=1.0, seed=0, candidates=16)
    report = time_engine(inference, gemm_gflops=100.0, batches=(1,), repeats=1)
    assert {timing.settings for timing in report.timings} == {"fast", "standard", "thorough", "paper"}
    assert all(timing.ratio == timing.ms_per_image / report.floor_ms for timing in report.timings)
