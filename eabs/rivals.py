"""What rival classes make of an image in training: the nearest re-creations of the mini-batch, and better ones."""

from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from eabs.by_class import ByClass
from eabs.costs import pairwise_costs, reconstruction_costs
from eabs.decoding import FoldedDecoders
from eabs.lanes import LaneObjective
from eabs.networks import SharedEncoderModel
from eabs.penalty import penalty_of

_FIRST_STEP, _LAST_STEP = 0.4, 0.1
_TINY = 1e-12


@dataclass(frozen=True)
class Nearest:
    """Each image's nearest re-creation by each class: its cost (B, K), and its pixels (B, K, C * H * W)."""

    costs: Tensor
    recreations: Tensor


def nearest_of_batch(images: Tensor, latents: Tensor, reconstructions: Tensor) -> tuple[Nearest, Tensor]:
    """Of images (B, C, H, W) among reconstructions (N, K, C, H, W) of latents (N, M), and their latents (B, K, M)."""
    costs, places = pairwise_costs(images, reconstructions).min(1)
    classes = torch.arange(costs.shape[1], device=costs.device)
    return Nearest(costs, reconstructions.flatten(2)[places, classes].to(costs.dtype)), latents[places]


def descended(
    model: SharedEncoderModel,
    images: Tensor,
    labels: Tensor,
    latents: Tensor,
    nearest: Nearest,
    *,
    steps: int,
    beta: float,
    decoding: AbstractContextManager[object],
) -> Nearest:
    """The nearest re-creations, the nearest rival's made better as latent inference would, by steps downhill.

    A step is as long in every direction of the latent on average, the first 0.4 and the last 0.1. What does not come
    nearer is left as it was; only the last re-creation has a gradient, to the decoders alone.

    Args:
        model: its decoders as in inference, in evaluation mode: the steps are made by what they are folded to.
        images: (B, C, H, W).
        labels: (B,) int64, the classes that are no rivals.
        latents: (B, K, M), those of `nearest`.
        nearest: where they start.
        steps: how many, at least one.
        beta: weighs -log D(z), which inference adds to the cost.
        decoding: what the last re-creations are made in.

    Raises:
        ValueError: the decoders are in training mode.
    """
    if model.decoders.training:
        raise ValueError("decoders: expected them in evaluation mode where rivals descend, got training mode")
    K = nearest.costs.shape[1]
    rows = torch.arange(len(images), device=images.device)
    with torch.no_grad():
        classes = nearest.costs.masked_fill(F.one_hot(labels, K).bool(), torch.inf).argmin(1)
        lanes = LaneObjective(
            FoldedDecoders.fold(model.decoders),
            penalty_of(model, beta),
            targets=images.flatten(1),
            classes=classes,
            objective="score",
        )
        z = latents[rows, classes]
        for step in range(steps):
            _, gradient = lanes.values_and_gradients(z)
            length = _FIRST_STEP * (_LAST_STEP / _FIRST_STEP) ** (step / max(1, steps - 1))
            z = z - length * gradient * torch.rsqrt(gradient.square().mean(-1, keepdim=True) + _TINY)
    places = ByClass(classes, K)
    with decoding:
        made = places.collect(model.decoders(places.spread(z)))
    costs = reconstruction_costs(images, made[:, None]).squeeze(1)
    before = nearest.costs[rows, classes]
    better = costs < before
    pixels = torch.where(better[:, None], made.flatten(1).to(images.dtype), nearest.recreations[rows, classes])
    return Nearest(
        nearest.costs.index_put((rows, classes), torch.where(better, costs, before)),
        nearest.recreations.index_put((rows, classes), pixels),
    )
