"""The paper's way to solve (6): Adam on a Gaussian over latents, one reparameterised sample a step.

The noise is drawn once from the model's seed and shared by all images, so that an image's answer depends neither on
the batch that it came in nor on when it came.
"""

import math

import torch
from torch import Tensor

from eabs.lanes import LaneObjective
from eabs.penalty import GaussianPrior
from eabs.settings import AdamSettings

_BETAS = (0.9, 0.999)
_EPSILON = 1e-8


class Adam:
    """Adam (Kingma & Ba, 2015) on one tensor, without the bookkeeping of an optimiser object."""

    def __init__(self, like: Tensor) -> None:
        self._first = torch.zeros_like(like)
        self._second = torch.zeros_like(like)
        self._count = 0

    def step(self, parameters: Tensor, gradient: Tensor, learning_rate: float) -> Tensor:
        """New parameters; the old ones are left as they are."""
        self._count += 1
        decay1, decay2 = _BETAS
        self._first.lerp_(gradient, 1 - decay1)
        self._second.mul_(decay2).addcmul_(gradient, gradient, value=1 - decay2)
        correction = math.sqrt(1 - decay2**self._count)
        denominator = self._second.sqrt().div_(correction).add_(_EPSILON)
        rate = learning_rate / (1 - decay1**self._count)
        return torch.addcdiv(parameters, self._first, denominator, value=-rate)


def draw_noise(settings: AdamSettings, latent: int, *, seed: int) -> Tensor:
    """Standard normal noise (steps + samples, starts, M): a step's sample, and then those of the final estimate."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(settings.steps + settings.samples, settings.starts, latent, generator=generator)


def descend(
    objective: LaneObjective,
    means: Tensor,
    log_stds: Tensor,
    noise: Tensor,
    settings: AdamSettings,
    *,
    prior: GaussianPrior | None = None,
) -> tuple[Tensor, Tensor]:
    """Minimises the expectation for L lanes.

    Args:
        objective: the lanes' objective.
        means, log_stds: (L, M), where to start.
        noise: (steps + samples, L, M).
        settings: how.
        prior: whose divergence counts, where it is known exactly and is no part of the objective.

    Returns:
        Scores (L,), estimated from `samples` samples, and the final means (L, M).
    """
    parameters = torch.cat([means, log_stds], dim=1)
    adam = Adam(parameters)
    M = means.shape[1]
    for step in range(settings.steps):
        scaled = parameters[:, M:].exp() * noise[step]
        _, gradient = objective.values_and_gradients(parameters[:, :M] + scaled)
        both = torch.cat([gradient, gradient * scaled], dim=1)
        if prior is not None:
            both += prior.divergence_gradient(parameters[:, :M], parameters[:, M:])
        parameters = adam.step(parameters, both, settings.learning_rate_at(step))
    means, log_stds = parameters[:, :M], parameters[:, M:]
    stds = log_stds.exp()
    scores = torch.stack([objective.values(means + stds * draw) for draw in noise[settings.steps :]]).mean(0)
    return scores if prior is None else scores + prior.divergence(means, log_stds), means
