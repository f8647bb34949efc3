"""What steps, learning rates and starts buy on validation images: how the efforts were chosen."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from eabs.inference import EFFORTS, PAPER_SETTINGS, InferenceSettings, LatentInference
from training.datasets import Split
from training.evaluation import latent_scores

_REFERENCE = InferenceSettings(steps=200, starts=4, learning_rate=0.1, final_fraction=0.02, posterior="exact")


@dataclass(frozen=True)
class EffortMeasurement:
    """One way to infer: accuracy, mean own score, the gap of all l_k over a long exact run, and time."""

    name: str
    settings: InferenceSettings
    accuracy: float
    own_score: float
    median_gap: float
    p95_gap: float
    ms_per_image: float


def candidates_for_efforts() -> dict[str, InferenceSettings]:
    """The ways worth comparing: the efforts, the paper's, and a grid around them."""
    ways = {**{str(name): settings for name, settings in EFFORTS.items()}, "paper": PAPER_SETTINGS}
    for steps in (10, 30, 50):
        for learning_rate in (0.05, 0.2):
            base = InferenceSettings(steps=steps, learning_rate=learning_rate, final_fraction=0.1, initial_std=0.1)
            ways[f"variational {steps} x {learning_rate}"] = base
            ways[f"exact {steps} x {learning_rate}"] = replace(base, posterior="exact")
    return ways


def measure_efforts(
    inference: LatentInference,
    split: Split,
    ways: dict[str, InferenceSettings],
    advance: Callable[[int], None] = lambda _: None,
) -> list[EffortMeasurement]:
    """Infers every image of `split` in every way; gaps are to the reference's scores, in squared pixels."""
    reference = latent_scores(inference, split.images, _REFERENCE, advance)
    measurements = [_measure("reference", _REFERENCE, reference, reference, split, 0.0)]
    for name, settings in ways.items():
        started = time.perf_counter()
        scores = latent_scores(inference, split.images, settings, advance)
        seconds = time.perf_counter() - started
        measurements.append(_measure(name, settings, scores, reference, split, seconds))
    return measurements


def _measure(
    name: str,
    settings: InferenceSettings,
    scores: torch.Tensor,
    reference: torch.Tensor,
    split: Split,
    seconds: float,
) -> EffortMeasurement:
    gaps = (scores - reference).flatten()
    return EffortMeasurement(
        name=name,
        settings=settings,
        accuracy=(scores.argmin(1) == split.labels).float().mean().item(),
        own_score=scores.gather(1, split.labels[:, None]).mean().item(),
        median_gap=gaps.median().item(),
        p95_gap=gaps.quantile(0.95).item(),
        ms_per_image=1e3 * seconds / len(split),
    )
