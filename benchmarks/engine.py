"""The engine alone: latent inference per image against the arithmetic floor, the start search, memory."""

from dataclasses import dataclass
from functools import partial

import torch

from benchmarks.machine import best_seconds, peak_memory_mb, step_flops
from eabs.inference import EFFORTS, PAPER_SETTINGS, InferenceSettings, LatentInference


@dataclass(frozen=True)
class EngineTiming:
    """One way to infer at one batch size; `ratio` is its time over that of the floor's 50 steps."""

    settings: str
    batch: int
    ms_per_image: float
    ratio: float


@dataclass(frozen=True)
class EngineReport:
    """The floor of 50 steps at the measured GEMM rate, everything timed against it, and the process's memory."""

    floor_ms: float
    timings: list[EngineTiming]
    search_ms: dict[int, float]
    peak_memory_mb: float


def time_engine(
    inference: LatentInference, *, gemm_gflops: float, batches: tuple[int, ...] = (1, 8, 32, 64), repeats: int = 3
) -> EngineReport:
    """Times every effort, and the paper's settings, on noise images: the work does not depend on the pixels."""
    floor_ms = 1e3 * 50 * step_flops(inference.architecture) / (gemm_gflops * 1e9)
    ways: dict[str, InferenceSettings] = {
        **{str(name): effort for name, effort in EFFORTS.items()},
        "paper": PAPER_SETTINGS,
    }
    timings = []
    searches = {}
    for batch in batches:
        images = torch.rand(batch, *inference.architecture.image)
        with torch.inference_mode():
            seconds = best_seconds(partial(inference.bank.search, images, 1, "score"))
        searches[batch] = 1e3 * seconds / batch
        for name, settings in ways.items():
            seconds = best_seconds(partial(inference.infer, images, settings), repeats=repeats)
            ms = 1e3 * seconds / batch
            timings.append(EngineTiming(name, batch, ms, ms / floor_ms))
    return EngineReport(floor_ms, timings, searches, peak_memory_mb())
