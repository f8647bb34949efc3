"""How far above the true optimum each way to infer ends, and what that costs: speed counts only at an equal gap."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from eabs.inference import InferenceResult, LatentInference
from eabs.settings import EFFORTS, PAPER_SETTINGS, AdamSettings, InferenceSettings, QuasiNewtonSettings
from training.datasets import Split, to_unit_range

_BATCH = 32

REFERENCE = replace(
    EFFORTS["thorough"], steps=120, starts=5 * EFFORTS["thorough"].starts, tolerance=1e-7, start_patience=32.0
)
"""Ten times the work of `thorough`: twice the steps from five times the starts, and hardly one ends early."""


@dataclass(frozen=True)
class Gap:
    """How far scores lie above the reference's, in squared pixels."""

    median: float
    p95: float
    worst: float

    @classmethod
    def of(cls, gaps: torch.Tensor) -> "Gap":
        """Of gaps of any shape."""
        flat = gaps.flatten()
        return cls(flat.median().item(), flat.quantile(0.95).item(), flat.max().item())


@dataclass(frozen=True)
class Optimality:
    """One way to infer, on the same images as the reference.

    `every` is the gap of all l_k; `optimised` of those that are not upper bounds of classes given up, whose share is
    `given_up`; `own` that of the predicted class. `disagreement` is the share of images whose prediction differs from
    the reference's.
    """

    name: str
    settings: InferenceSettings
    every: Gap
    optimised: Gap
    own: Gap
    given_up: float
    disagreement: float
    accuracy: float
    ms_per_image: float


def ways_to_infer() -> dict[str, InferenceSettings]:
    """The efforts, each also without giving classes up, the paper's way, and what the efforts were before."""
    ways: dict[str, InferenceSettings] = {}
    for name, effort in EFFORTS.items():
        ways[name] = effort
        if not effort.is_complete:
            ways[f"{name}, every class"] = _complete(effort)
    ways["paper's Adam, 50 x 0.05"] = PAPER_SETTINGS
    decaying = AdamSettings(steps=30, learning_rate=0.2, final_fraction=0.1, initial_std=0.1, samples=4)
    return ways | {"Adam, 30 x 0.2 decaying": decaying}


def measure_optimality(
    inference: LatentInference,
    split: Split,
    ways: dict[str, InferenceSettings],
    *,
    noise: float = 0.0,
    reference: QuasiNewtonSettings = REFERENCE,
    advance: Callable[[int], None] = lambda _: None,
) -> list[Optimality]:
    """Infers every image of `split` in every way; `noise` is the standard deviation of what is added to the images."""
    images = to_unit_range(split.images)
    if noise:
        generator = torch.Generator().manual_seed(0)
        images = (images + noise * torch.randn(images.shape, generator=generator)).clamp_(0, 1)
    best = _infer(inference, images, reference, advance)[0].scores
    found = {name: _infer(inference, images, settings, advance) for name, settings in ways.items()}
    # No way may look better than the reference because it happened upon a better optimum.
    optima = torch.stack([best, *(result.scores for result, _ in found.values())]).amin(0)
    return [
        _compare(name, ways[name], result, optima, best, split.labels, seconds)
        for name, (result, seconds) in found.items()
    ]


def _complete(settings: QuasiNewtonSettings) -> QuasiNewtonSettings:
    return replace(settings, shortlist=math.inf, finalists=None, patience=math.inf)


def _infer(
    inference: LatentInference, images: torch.Tensor, settings: InferenceSettings, advance: Callable[[int], None]
) -> tuple[InferenceResult, float]:
    started = time.perf_counter()
    results = []
    for batch in images.split(_BATCH):
        results.append(inference.infer(batch, settings))
        advance(len(batch))
    seconds = time.perf_counter() - started
    return InferenceResult.concatenate(results), seconds


def _compare(
    name: str,
    settings: InferenceSettings,
    result: InferenceResult,
    optima: torch.Tensor,
    reference: torch.Tensor,
    labels: torch.Tensor,
    seconds: float,
) -> Optimality:
    gaps = result.scores - optima
    return Optimality(
        name=name,
        settings=settings,
        every=Gap.of(gaps),
        optimised=Gap.of(gaps[~result.upper_bounds]),
        own=Gap.of(gaps.gather(1, result.predictions[:, None])),
        given_up=result.upper_bounds.float().mean().item(),
        disagreement=(result.predictions != reference.argmin(1)).float().mean().item(),
        accuracy=(result.predictions == labels).float().mean().item(),
        ms_per_image=1e3 * seconds / len(labels),
    )
