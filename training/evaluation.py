"""Accuracy of latent inference on a split."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from eabs.inference import LatentInference
from eabs.settings import InferenceSettings
from training.datasets import Split, to_unit_range

_BATCH = 64


@dataclass(frozen=True)
class Accuracy:
    """How many of `images` were classified as labelled, overall and per class; `seconds` it took, in all."""

    images: int
    correct: int
    per_class: list[float]
    seconds: float

    @property
    def accuracy(self) -> float:
        """In [0, 1]."""
        return self.correct / self.images


def latent_scores(
    inference: LatentInference,
    images: Tensor,
    settings: InferenceSettings,
    advance: Callable[[int], None] = lambda _: None,
) -> Tensor:
    """l_k of every image: (N, C, H, W) uint8 to (N, K) float32 on the CPU; `advance` hears of every batch done."""
    scores = []
    for batch in images.split(_BATCH):
        scores.append(inference.infer(to_unit_range(batch), settings).scores.cpu())
        advance(len(batch))
    return torch.cat(scores)


def measure_accuracy(
    inference: LatentInference,
    split: Split,
    settings: InferenceSettings,
    advance: Callable[[int], None] = lambda _: None,
) -> Accuracy:
    """Classifies every image of a split."""
    started = time.perf_counter()
    scores = latent_scores(inference, split.images, settings, advance)
    correct = scores.argmin(1) == split.labels
    per_class = [correct[split.labels == k].float().mean().item() for k in range(scores.shape[1])]
    return Accuracy(len(split), int(correct.sum()), per_class, time.perf_counter() - started)
