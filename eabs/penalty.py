"""The penalty -beta log D(z) of equation (6), and its gradient by hand, for frozen weights."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from eabs.blocks import in_blocks
from eabs.networks import Discriminator

_HEIGHT = 16


class FoldedDiscriminator:
    """-beta log D(z) and its gradient."""

    def __init__(self, discriminator: Discriminator, beta: float) -> None:
        self._beta = beta
        linears = [module for module in discriminator.layers if isinstance(module, nn.Linear)]
        self._weights = [(linear.weight.detach(), linear.bias.detach()) for linear in linears]
        # Laid out for F.linear on the way back: a product with the narrow first layer as it lies rounds a row by its
        # place among the rows.
        self._transposed = [weight.T.contiguous() for weight, _ in self._weights]
        self._slope = next((m.negative_slope for m in discriminator.layers if isinstance(m, nn.LeakyReLU)), 0.0)

    def penalty(self, latents: Tensor) -> Tensor:
        """-beta log D(z): latents (..., M) to (...)."""
        penalties = in_blocks(lambda block: self._softplus(self._forward(block)[-1]), _rows(latents), _HEIGHT)
        return penalties.view(latents.shape[:-1])

    def penalty_with_gradient(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """-beta log D(z), and its gradient to z: latents (..., M) to (...) and (..., M)."""
        both = in_blocks(self._penalty_beside_gradient, _rows(latents), _HEIGHT)
        return both[:, 0].view(latents.shape[:-1]), both[:, 1:].view(latents.shape)

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


def _rows(latents: Tensor) -> Tensor:
    return latents.reshape(-1, latents.shape[-1])
