"""The engine alone: latent inference per image against the arithmetic floor, the start search, memory."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch

from benchmarks.machine import Machine, best_seconds, peak_memory_mb, step_bytes, step_flops
from eabs.inference import LatentInference
from eabs.settings import EFFORTS, PAPER_SETTINGS, InferenceSettings, QuasiNewtonSettings

_EVERY_CLASS = QuasiNewtonSettings(steps=20)


@dataclass(frozen=True)
class EngineTiming:
    """One way to infer at one batch size.

    `floor_ms` is what its steps would take for every class at the machine's rates, the slower of arithmetic and copies;
    a way that gives classes up may fall below it.
    """

    settings: str
    batch: int
    ms_per_image: float
    floor_ms: float

    @property
    def ratio(self) -> float:
        """Its time over its floor."""
        return self.ms_per_image / self.floor_ms


@dataclass(frozen=True)
class EngineReport:
    """The floors of one step of one image at the machine's GEMM rate and at its copy bandwidth, everything timed, and
    the process's memory."""

    step_gemm_ms: float
    step_copy_ms: float
    timings: list[EngineTiming]
    search_ms: dict[int, float]
    peak_memory_mb: float


def time_engine(
    inference: LatentInference,
    images: torch.Tensor,
    *,
    machine: Machine,
    batches: tuple[int, ...] = (1, 4, 32, 50, 128),
    repeats: int = 3,
) -> EngineReport:
    """Times every effort, the paper's settings, and steps that give no class up.

    Args:
        inference: the engine.
        images: (B, C, H, W), real ones, since the efforts' work depends on them; batches are cut from them.
        machine: its rates are the floor.
        batches: how many images at once. A batch of 1 is timed over several images, one after the other.
        repeats: the best of how many is taken.
    """
    gemm_ms = 1e3 * step_flops(inference.architecture) / (machine.gemm_gflops * 1e9)
    copy_ms = 1e3 * step_bytes(inference.architecture) / (machine.copy_gb_per_s * 1e9)
    device = inference.device
    ways: dict[str, InferenceSettings] = {
        **{str(name): effort for name, effort in EFFORTS.items()},
        "every class, 20 steps": _EVERY_CLASS,
        "paper": PAPER_SETTINGS,
    }
    timings = []
    searches = {}
    for batch in batches:
        if batch > len(images):
            raise ValueError(f"images: expected at least {batch}, got {len(images)}")
        # Some digits are harder than others: small batches are averaged over several of them.
        parts = images.to(device).split(batch)[: max(1, 8 // batch)]
        with torch.inference_mode():
            seconds = best_seconds(partial(_each, partial(_search, inference), parts), device=device)
        searches[batch] = 1e3 * seconds / (batch * len(parts))
        for name, settings in ways.items():
            work = partial(_each, partial(inference.infer, settings=settings), parts)
            ms = 1e3 * best_seconds(work, repeats=repeats, device=device) / (batch * len(parts))
            timings.append(EngineTiming(name, batch, ms, settings.steps * settings.starts * max(gemm_ms, copy_ms)))
    return EngineReport(gemm_ms, copy_ms, timings, searches, peak_memory_mb())


def _search(inference: LatentInference, images: torch.Tensor) -> object:
    return inference.bank.search(images, 1, "score")


def _each(work: Callable[[torch.Tensor], object], parts: tuple[torch.Tensor, ...]) -> None:
    for part in parts:
        work(part)
