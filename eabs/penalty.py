"""How far a latent is from the prior: what inference adds to the cost, and its gradient by hand, for frozen weights.

-beta log D(z) of equation (6), by the discriminator of all classes or by each class's own, or without one
beta |z|^2 / 2 = beta KL[N(z, 1) || N(0, 1)] of equation (2) (Ju & Wagner, AISec 2020).
"""

from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from eabs.blocks import in_blocks
from eabs.class_networks import ClassDiscriminators
from eabs.family import GenerativeModel
from eabs.networks import LEAK, Discriminator

_HEIGHT = 16


class Penalty(Protocol):
    """What latent inference asks of the prior. Latents are (..., M), and `classes` (...) int64 says whose each is."""

    def penalty(self, latents: Tensor, classes: Tensor, /) -> Tensor:
        """The penalties (...)."""

    def penalty_with_gradient(self, latents: Tensor, classes: Tensor, /) -> tuple[Tensor, Tensor]:
        """The penalties (...), and their gradients (..., M)."""

    def by_class(self, latents: Tensor, /) -> Tensor:
        """The penalties of latents (N, M) for every class: (N,) where all classes share them, else (K, N)."""


def penalty_of(model: GenerativeModel, beta: float) -> Penalty:
    """The penalty that a model was trained with, weighed by beta."""
    if model.discriminator is None:
        return GaussianPrior(beta)
    if isinstance(model.discriminator, ClassDiscriminators):
        return FoldedClassDiscriminators(model.discriminator, beta)
    return FoldedDiscriminator(model.discriminator, beta)


class FoldedDiscriminator:
    """-beta log D(z), which all classes share."""

    def __init__(self, discriminator: Discriminator, beta: float) -> None:
        self._beta = beta
        linears = [module for module in discriminator.layers if isinstance(module, nn.Linear)]
        self._weights = [(linear.weight.detach(), linear.bias.detach()) for linear in linears]
        # Laid out for F.linear on the way back: a product with the narrow first layer as it lies rounds a row by its
        # place among the rows.
        self._transposed = [weight.T.contiguous() for weight, _ in self._weights]
        self._slope = next((m.negative_slope for m in discriminator.layers if isinstance(m, nn.LeakyReLU)), 0.0)

    def penalty(self, latents: Tensor, _classes: Tensor, /) -> Tensor:
        """See `Penalty`."""
        return self.by_class(_rows(latents)).view(latents.shape[:-1])

    def penalty_with_gradient(self, latents: Tensor, _classes: Tensor, /) -> tuple[Tensor, Tensor]:
        """See `Penalty`."""
        both = in_blocks(self._penalty_beside_gradient, _rows(latents), _HEIGHT)
        return both[:, 0].view(latents.shape[:-1]), both[:, 1:].view(latents.shape)

    def by_class(self, latents: Tensor, /) -> Tensor:
        """See `Penalty`: (N,)."""
        return in_blocks(lambda block: self._softplus(self._forward(block)[-1]), latents, _HEIGHT).squeeze(1)

    def _penalty_beside_gradient(self, latents: Tensor) -> Tensor:
        """(N, M) to (N, 1 + M)."""
        *hidden, logits = self._forward(latents)
        gradient = -self._beta * torch.sigmoid(-logits)
        for weight, activation in zip(reversed(self._transposed[1:]), reversed(hidden), strict=True):
            gradient = F.linear(gradient, weight)
            gradient = torch.ops.aten.leaky_relu_backward(gradient, activation, self._slope, True)
        return torch.cat([self._softplus(logits), F.linear(gradient, self._transposed[0])], dim=1)

    def _softplus(self, logits: Tensor) -> Tensor:
        return self._beta * F.softplus(-logits)

    def _forward(self, latents: Tensor) -> list[Tensor]:
        values = latents
        outputs = []
        for index, (weight, bias) in enumerate(self._weights):
            values = F.linear(values, weight, bias)
            if index < len(self._weights) - 1:
                values = F.leaky_relu(values, self._slope)
            outputs.append(values)
        return outputs


class FoldedClassDiscriminators:
    """-beta log D_k(z). Every class judges every latent, which costs little beside decoding, and one is listened to."""

    def __init__(self, discriminators: ClassDiscriminators, beta: float) -> None:
        self._beta = beta
        layers = list(discriminators.layers())
        self._weights = [layer.weight.detach() for layer in layers]
        # Views: a product with a narrow matrix that was copied rounds a row by its place among the rows.
        self._transposed = [weight.transpose(1, 2) for weight in self._weights]
        self._biases = [layer.bias.detach().unsqueeze(1) for layer in layers]

    def penalty(self, latents: Tensor, classes: Tensor, /) -> Tensor:
        """See `Penalty`."""
        found = _of_classes(self.by_class(_rows(latents)), classes.expand(latents.shape[:-1]))
        return found.view(latents.shape[:-1])

    def penalty_with_gradient(self, latents: Tensor, classes: Tensor, /) -> tuple[Tensor, Tensor]:
        """See `Penalty`."""
        judged = in_blocks(self._penalty_beside_gradient, _rows(latents), _HEIGHT)
        both = _of_classes(judged, classes.expand(latents.shape[:-1]))
        return both[:, 0].view(latents.shape[:-1]), both[:, 1:].view(latents.shape)

    def by_class(self, latents: Tensor, /) -> Tensor:
        """See `Penalty`: (K, N)."""
        return in_blocks(lambda block: self._softplus(self._forward(block)[-1]), latents, _HEIGHT).squeeze(2)

    def _penalty_beside_gradient(self, latents: Tensor) -> Tensor:
        """(N, M) to (K, N, 1 + M)."""
        *hidden, logits = self._forward(latents)
        gradient = -self._beta * torch.sigmoid(-logits)
        for weight, activation in zip(reversed(self._transposed[1:]), reversed(hidden), strict=True):
            gradient = torch.ops.aten.leaky_relu_backward(torch.bmm(gradient, weight), activation, LEAK, True)
        return torch.cat([self._softplus(logits), torch.bmm(gradient, self._transposed[0])], dim=2)

    def _softplus(self, logits: Tensor) -> Tensor:
        return self._beta * F.softplus(-logits)

    def _forward(self, latents: Tensor) -> list[Tensor]:
        values = latents.expand(len(self._weights[0]), -1, -1)
        outputs = []
        for index, (weight, bias) in enumerate(zip(self._weights, self._biases, strict=True)):
            values = torch.baddbmm(bias, values, weight)
            if index < len(self._weights) - 1:
                values = F.leaky_relu(values, LEAK)
            outputs.append(values)
        return outputs


class GaussianPrior:
    """beta |z|^2 / 2 of a latent, and beta KL[N(mu, diag sigma^2) || N(0, I)] of a distribution."""

    def __init__(self, beta: float) -> None:
        self._beta = beta

    def penalty(self, latents: Tensor, _classes: Tensor, /) -> Tensor:
        """See `Penalty`."""
        return self.by_class(latents)

    def penalty_with_gradient(self, latents: Tensor, _classes: Tensor, /) -> tuple[Tensor, Tensor]:
        """See `Penalty`."""
        return self.by_class(latents), self._beta * latents

    def by_class(self, latents: Tensor, /) -> Tensor:
        """See `Penalty`: (N,)."""
        return 0.5 * self._beta * latents.square().sum(-1)

    def divergence(self, means: Tensor, log_stds: Tensor) -> Tensor:
        """The divergence (...) of distributions with means and log standard deviations (..., M)."""
        return 0.5 * self._beta * (means.square() + (2 * log_stds).exp() - 2 * log_stds - 1).sum(-1)

    def divergence_gradient(self, means: Tensor, log_stds: Tensor) -> Tensor:
        """The divergence's gradient to the means and the log standard deviations, side by side: (..., 2 M)."""
        return self._beta * torch.cat([means, (2 * log_stds).exp() - 1], dim=-1)


def _rows(latents: Tensor) -> Tensor:
    return latents.reshape(-1, latents.shape[-1])


def _of_classes(judged: Tensor, classes: Tensor) -> Tensor:
    """(K, N, ...) to (N, ...): what each row's own class says."""
    return judged[classes.flatten(), torch.arange(judged.shape[1], device=judged.device)]
