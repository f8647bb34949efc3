"""How many principal components the start search needs: how good its starts are, and what it costs."""

from dataclasses import dataclass
from functools import partial

import torch

from benchmarks.machine import best_seconds
from eabs.candidates import CandidateBank
from eabs.decoding import FoldedDecoders
from eabs.lanes import LaneObjective
from eabs.networks import EABS
from eabs.penalty import Penalty, penalty_of
from eabs.workers import Workers

_IMAGES = 4


@dataclass(frozen=True)
class StartsResult:
    """A bank with so many components.

    `same` is the share of image-class pairs with the start that whole images would choose; `loss` how much higher the
    objective is on average at the chosen start; `alone_ms` and `batch_ms` the search's milliseconds an image, one at a
    time and 32 at once; `megabytes` what it reads.
    """

    components: int
    same: float
    loss: float
    alone_ms: float
    batch_ms: float
    megabytes: float


def compare_starts(
    model: EABS, images: torch.Tensor, *, beta: float, seed: int, candidates: int, counts: tuple[int, ...], threads: int
) -> list[StartsResult]:
    """Searches the starts of images (B, C, H, W) with every number of components, and with whole images."""
    decoders = FoldedDecoders.fold(model.decoders)
    penalty = penalty_of(model, beta)
    workers = Workers(threads, decoders.device)
    pixels = decoders.architecture.pixels
    latents: dict[int, torch.Tensor] = {}
    values: dict[int, torch.Tensor] = {}
    costs: dict[int, tuple[float, float, float]] = {}
    for count in (*counts, pixels):
        bank = CandidateBank.decode(decoders, penalty, count=candidates, seed=seed, workers=workers, components=count)
        starts = [bank.search(part, 1, "score").latents[:, 0] for part in images.split(_IMAGES)]
        latents[count] = torch.cat(starts)
        values[count] = _values(decoders, penalty, images, latents[count], workers)
        alone = 1e3 * best_seconds(partial(bank.search, images[:1], 1, "score"))
        batch = 1e3 * best_seconds(partial(bank.search, images[:32], 1, "score")) / min(32, len(images))
        costs[count] = (alone, batch, 4e-6 * bank.coordinates.numel())
    return [
        StartsResult(
            count,
            (latents[count] == latents[pixels]).all(2).float().mean().item(),
            (values[count] - values[pixels]).mean().item(),
            *costs[count],
        )
        for count in (*counts, pixels)
    ]


def _values(
    decoders: FoldedDecoders,
    penalty: Penalty,
    images: torch.Tensor,
    latents: torch.Tensor,
    workers: Workers,
) -> torch.Tensor:
    """The objective (B * K,) at latents (B, K, M)."""
    K = latents.shape[1]

    def value(part: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        pictures, points = part
        lanes = torch.arange(len(pictures) * K)
        objective = LaneObjective(
            decoders,
            penalty,
            targets=pictures.flatten(1)[lanes // K],
            classes=lanes % K,
            objective="score",
        )
        return objective.values(points.flatten(0, 1))

    return torch.cat(workers.map(value, zip(images.split(_IMAGES), latents.split(_IMAGES), strict=True)))
