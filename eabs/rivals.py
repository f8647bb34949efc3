"""What rival classes make of an image in training: the nearest re-creations of the mini-batch, and better ones."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from eabs.costs import pairwise_costs, reconstruction_costs
from eabs.networks import Decoders

DESCENDED = 4
"""Of so many images one has its rivals descend: for all of them a step would decode as much as a step of training."""

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
    decoders: Decoders,
    images: Tensor,
    latents: Tensor,
    nearest: Nearest,
    *,
    steps: int,
    penalty: Callable[[Tensor], Tensor],
) -> Nearest:
    """The nearest re-creations, some of them made better as latent inference would, by steps downhill on the latent.

    Every fourth image's latents descend, each step as long in every direction of the latent on average, from 0.4 down
    to 0.1. The decoders are as in inference, without the batch's statistics and dropout. What does not come nearer is
    left as it was; only the last re-creation has a gradient, to the decoders alone.

    Args:
        decoders: whose mode is left as it is.
        images: (B, C, H, W).
        latents: (B, K, M), those of `nearest`.
        nearest: where they start.
        steps: how many, at least one.
        penalty: what inference adds to the cost of latents (n, K, M), as (n, K).
    """
    x, z = images[::DESCENDED], latents[::DESCENDED].detach()
    training = decoders.training
    decoders.eval()
    try:
        for step in range(steps):
            z = z.requires_grad_()
            (gradient,) = torch.autograd.grad((reconstruction_costs(x, decoders(z)) + penalty(z)).sum(), z)
            length = _FIRST_STEP * (_LAST_STEP / _FIRST_STEP) ** (step / max(1, steps - 1))
            z = (z - length * gradient * torch.rsqrt(gradient.square().mean(-1, keepdim=True) + _TINY)).detach()
        made = decoders(z)
    finally:
        decoders.train(training)
    costs, pixels = reconstruction_costs(x, made), made.flatten(2).to(nearest.recreations.dtype)
    before = nearest.costs[::DESCENDED]
    better = costs < before
    all_costs, all_pixels = nearest.costs.clone(), nearest.recreations.clone()
    all_costs[::DESCENDED] = torch.where(better, costs, before)
    all_pixels[::DESCENDED] = torch.where(better[..., None], pixels, nearest.recreations[::DESCENDED])
    return Nearest(all_costs, all_pixels)
