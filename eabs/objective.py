"""The training objective, equations (3) to (5) of Ju & Wagner (AISec 2020), of every variant.

The encoder and the decoders descend (5) with the discriminators held still; these then descend their own loss with
the latents held still. Without an adversarial prior, the KL divergence of a VAE stands in (3) for -log D(z), and
without the discriminative loss, (3) is all there is, an image's own class all that it concerns.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from eabs.class_networks import ClassDiscriminators, ClassModel
from eabs.costs import reconstruction_costs
from eabs.family import GenerativeModel
from eabs.networks import Discriminator, sample
from eabs.prior_match import PriorDraw
from eabs.rivals import Nearest, descended, nearest_of_batch

_TINY = 1e-6
"""A squared distance, which keeps the slope of a root at 0 finite."""


@dataclass(frozen=True)
class ObjectiveWeights:
    """beta weighs the prior's term, gamma the discriminative loss (section 3.2: 1 and 10).

    `rival_search` is an addition to the paper, called inference-aware training: where it is above 0, a second
    discriminative loss with this weight compares x with the *best* image that each class's decoder made in the
    whole mini-batch, not only with the image of x's own latent. That is what latent inference will face.

    `radius` is another: the weight of how far an image's radius falls short of `target_radius`, an L2 distance. It is
    the radius that the image's own re-creation and the nearest rival one of the mini-batch would certify, were they all
    there is; cross-entropies are content with much less.

    `rival_steps` makes both harder: so many steps downhill improve the nearest rival's latent first
    (`eabs/rivals.py`). A mini-batch has few latents, and inference finds better ones. It asks for decoders in
    evaluation mode.

    `sliced_wasserstein` is a third: the weight of the latents' distance from the prior beside the discriminator's
    judgement (`eabs/prior_match.py`).
    """

    beta: float = 1.0
    gamma: float = 10.0
    rival_search: float = 0.0
    radius: float = 0.0
    target_radius: float = 3.0
    rival_steps: int = 0
    sliced_wasserstein: float = 0.0


@dataclass(frozen=True)
class ObjectiveTerms:
    """Batch means of the terms of (5), each a scalar tensor, and the encoder's latents (B, M), detached.

    Of `adversarial`, -log D(z), and `divergence`, KL[Q(z|x) || N(0, I)], a model has one; the other is 0. Without the
    discriminative loss, `discriminative` is 0, and so is each addition that has no weight.
    """

    total: Tensor
    reconstruction: Tensor
    adversarial: Tensor
    divergence: Tensor
    discriminative: Tensor
    rival: Tensor
    radius: Tensor
    sliced_wasserstein: Tensor
    latents: Tensor


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL[N(mu, diag sigma^2) || N(0, I)], from mu and log sigma^2 (..., M) to (...)."""
    return 0.5 * (mean.square() + log_variance.exp() - log_variance - 1).sum(-1)


def autoencoder_objective(
    model: GenerativeModel,
    images: Tensor,
    labels: Tensor,
    noise: Tensor,
    weights: ObjectiveWeights,
    *,
    prior: PriorDraw | None = None,
    half: bool = False,
    collect: Callable[[Tensor], Tensor] = lambda part: part,
) -> ObjectiveTerms:
    """Objective (5) of the encoder and the decoders.

    Args:
        model: the networks; only encoder and decoders should be stepped on the result.
        images: (B, C, H, W) in [0, 1] (with augmentation noise they may leave it).
        labels: (B,) int64.
        noise: (B, M) standard normal, for the reparameterised sample.
        weights: beta, gamma and the additions; beta alone counts without the discriminative loss.
        prior: for the whole mini-batch's latents; with a weight for `sliced_wasserstein` alone.
        half: whether the decoders compute in bfloat16, as far as that may be; they are nearly all of the work.
        collect: the rows (N, ...) of the whole mini-batch, of which these B images are a part, from those of this part
            (B, ...).
    """
    absent = torch.zeros((), device=images.device)
    discriminative, rival, radius = absent, absent, absent
    # Latents stay exact: what is told of them to the prior, and by it, is finer than bfloat16's three digits.
    decoding = torch.autocast(images.device.type, torch.bfloat16, enabled=half)
    if isinstance(model, ClassModel):
        mean, log_variance = model.encoder.own(images, labels)
        latents = sample(mean, log_variance, noise)
        with decoding:
            recreations = model.decoders.own(latents, labels)
        reconstruction = (images - recreations).square().flatten(1).sum(1).mean()
    else:
        mean, log_variance = model.encoder(images)
        latents = sample(mean, log_variance, noise)
        with decoding:
            reconstructions = model.decoders(latents)
        costs = reconstruction_costs(images, reconstructions)
        reconstruction = costs.gather(1, labels[:, None]).mean()
        discriminative = F.cross_entropy(-costs, labels)
        if weights.rival_search > 0 or weights.radius > 0:
            nearest, starts = nearest_of_batch(images, collect(latents), collect(reconstructions))
            if weights.rival_steps > 0:
                nearest = descended(
                    model,
                    images,
                    labels,
                    starts,
                    nearest,
                    steps=weights.rival_steps,
                    beta=weights.beta,
                    decoding=decoding,
                )
        if weights.rival_search > 0:
            rival = _rival_search_loss(labels, nearest, costs)
        if weights.radius > 0:
            own = reconstructions[torch.arange(len(labels), device=labels.device), labels]
            radius = _radius_loss(labels, nearest, costs, own, weights.target_radius)
    adversarial, kl, sliced = absent, absent, absent
    if model.discriminator is None:
        kl = divergence(mean, log_variance).mean()
    else:
        adversarial = -F.logsigmoid(_own_logits(model.discriminator(latents), labels)).mean()
    total = reconstruction + weights.beta * (adversarial + kl) + weights.gamma * discriminative
    if prior is not None:
        sliced = prior.distance(collect(latents))
    return ObjectiveTerms(
        total=total + weights.rival_search * rival + weights.radius * radius + weights.sliced_wasserstein * sliced,
        reconstruction=reconstruction.detach(),
        adversarial=adversarial.detach(),
        divergence=kl.detach(),
        discriminative=discriminative.detach(),
        rival=rival.detach(),
        radius=radius.detach(),
        sliced_wasserstein=sliced.detach(),
        latents=latents.detach(),
    )


def _own_logits(logits: Tensor, labels: Tensor) -> Tensor:
    """What one discriminator (B,), or each image's own of K (B, K), says: (B,)."""
    return logits if logits.dim() == 1 else logits.gather(1, labels[:, None]).squeeze(1)


def _rival_search_loss(labels: Tensor, nearest: Nearest, costs: Tensor) -> Tensor:
    # The true class keeps its own latent's cost: a neighbour's latent must not excuse a poor re-creation.
    own = F.one_hot(labels, costs.shape[1]).bool()
    return F.cross_entropy(-torch.where(own, costs, torch.minimum(nearest.costs, costs)), labels)


def _radius_loss(labels: Tensor, nearest: Nearest, costs: Tensor, own: Tensor, target: float) -> Tensor:
    # Between p and q the boundary is a plane, (|x - q|^2 - |x - p|^2) / 2 |p - q| away from x (Voracek & Hein 2022).
    # Noise on x, which costs much in either square, moves x along p - q by no more than its own deviation.
    gaps = nearest.costs - costs.gather(1, labels[:, None])
    apart = (nearest.recreations - own.flatten(1).unsqueeze(1)).square().sum(2)
    radii = gaps / (2 * (apart + _TINY).sqrt())
    radii = radii.masked_fill(F.one_hot(labels, costs.shape[1]).bool(), torch.inf)
    return F.relu(target - radii.amin(1)).mean()


@torch.no_grad()
def latents_to_judge(model: GenerativeModel, images: Tensor, labels: Tensor, noise: Tensor, own: Tensor) -> Tensor:
    """What discriminators learn to tell from the prior's samples.

    One discriminator judges the shared encoder's latents. Each class's own judges what its class's encoder makes of
    all images, those of other classes as well (section 4.4), which that encoder itself never learns from.

    Args:
        model: the networks.
        images, labels, noise: as `autoencoder_objective` takes them.
        own: (B, M), the latents that it came to.

    Returns:
        (B, M), or (B, K, M) with a discriminator a class.
    """
    if not isinstance(model, ClassModel):
        return own
    mean, log_variance = model.encoder(images)
    is_own = F.one_hot(labels, mean.shape[1]).bool()[..., None]
    return torch.where(is_own, own[:, None], sample(mean, log_variance, noise[:, None]))


def discriminator_objective(
    discriminator: Discriminator | ClassDiscriminators, latents: Tensor, prior_samples: Tensor, beta: float
) -> Tensor:
    """The discriminators' loss, -beta E[log D(z~) + log(1 - D(z))], the mean over them where each class has one.

    Args:
        discriminator: which alone should be stepped on the result.
        latents: (B, M) or (B, K, M) encoded, detached.
        prior_samples: (B, M) drawn from N(0, I).
    """
    prior = F.logsigmoid(discriminator(prior_samples))
    encoded = F.logsigmoid(-discriminator(latents))
    return -beta * (prior + encoded).mean()
