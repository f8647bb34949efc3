"""The training objective, equations (3) to (5) of Ju & Wagner (AISec 2020).

The encoder and the decoders descend (5) with the discriminator held still; the discriminator then descends its
own loss with the latents held still.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from eabs.networks import EABS, sample


@dataclass(frozen=True)
class ObjectiveWeights:
    """beta weighs the latent discriminator, gamma the discriminative loss (section 3.2: 1 and 10).

    `rival_search` is an addition to the paper, called inference-aware training: where it is above 0, a second
    discriminative loss with this weight compares x with the *best* image that each class's decoder made in the
    whole mini-batch, not only with the image of x's own latent. That is what latent inference will face.
    """

    beta: float = 1.0
    gamma: float = 10.0
    rival_search: float = 0.0


@dataclass(frozen=True)
class ObjectiveTerms:
    """Batch means of the terms of (5), each a scalar tensor, and the encoder's latents (B, M), detached."""

    total: Tensor
    reconstruction: Tensor
    adversarial: Tensor
    discriminative: Tensor
    rival: Tensor
    latents: Tensor
    encoder_accuracy: Tensor


def reconstruction_costs(images: Tensor, reconstructions: Tensor) -> Tensor:
    """c(x, x') = ||x - x'||_2^2 summed over channels and pixels: (B, C, H, W), (B, K, C, H, W) to (B, K)."""
    return (images.unsqueeze(1) - reconstructions).square().flatten(2).sum(2)


def pairwise_costs(images: Tensor, reconstructions: Tensor) -> Tensor:
    """c between every image and every reconstruction in the batch.

    Args:
        images: (B, C, H, W).
        reconstructions: (N, K, C, H, W).

    Returns:
        (B, N, K): entry (i, j, k) is ||x_i - G_k(z_j)||_2^2.
    """
    x = images.flatten(1)
    g = reconstructions.flatten(2).to(x.dtype)
    # The squares cancel: half precision would leave nothing of a small cost.
    with torch.autocast(x.device.type, enabled=False):
        products = (x @ g.flatten(0, 1).T).view(len(x), *g.shape[:2])
    return x.square().sum(1)[:, None, None] - 2 * products + g.square().sum(2)


def autoencoder_objective(
    model: EABS,
    images: Tensor,
    labels: Tensor,
    noise: Tensor,
    weights: ObjectiveWeights,
    collect: Callable[[Tensor], Tensor] = lambda part: part,
) -> ObjectiveTerms:
    """Objective (5) of the encoder and the decoders.

    Args:
        model: the networks; only encoder and decoders should be stepped on the result.
        images: (B, C, H, W) in [0, 1] (with augmentation noise they may leave it).
        labels: (B,) int64.
        noise: (B, M) standard normal, for the reparameterised sample.
        weights: beta, gamma and the additions.
        collect: the reconstructions (N, K, C, H, W) of the whole mini-batch, of which these B images are a part, from
            those of this part (B, K, C, H, W).
    """
    mean, log_variance = model.encoder(images)
    latents = sample(mean, log_variance, noise)
    reconstructions = model.decoders(latents)
    costs = reconstruction_costs(images, reconstructions)
    reconstruction = costs.gather(1, labels[:, None]).mean()
    adversarial = -F.logsigmoid(model.discriminator(latents)).mean()
    discriminative = F.cross_entropy(-costs, labels)
    total = reconstruction + weights.beta * adversarial + weights.gamma * discriminative
    rival = torch.zeros((), device=images.device)
    if weights.rival_search > 0:
        rival = _rival_search_loss(images, labels, collect(reconstructions), costs)
        total = total + weights.rival_search * rival
    return ObjectiveTerms(
        total=total,
        reconstruction=reconstruction.detach(),
        adversarial=adversarial.detach(),
        discriminative=discriminative.detach(),
        rival=rival.detach(),
        latents=latents.detach(),
        encoder_accuracy=(costs.argmin(1) == labels).float().mean(),
    )


def _rival_search_loss(images: Tensor, labels: Tensor, reconstructions: Tensor, costs: Tensor) -> Tensor:
    # The true class keeps its own latent's cost: a neighbour's latent must not excuse a poor re-creation.
    best = pairwise_costs(images, reconstructions).amin(1)
    own = F.one_hot(labels, costs.shape[1]).bool()
    return F.cross_entropy(-torch.where(own, costs, torch.minimum(best, costs)), labels)


def discriminator_objective(model: EABS, latents: Tensor, prior_samples: Tensor, beta: float) -> Tensor:
    """The discriminator's loss, -beta E[log D(z~) + log(1 - D(z))].

    Args:
        model: the networks; only the discriminator should be stepped on the result.
        latents: (B, M) encoded, detached.
        prior_samples: (B, M) drawn from N(0, I).
    """
    prior = F.logsigmoid(model.discriminator(prior_samples))
    encoded = F.logsigmoid(-model.discriminator(latents))
    return -beta * (prior + encoded).mean()
