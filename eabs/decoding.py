"""The decoders as inference runs them: everything constant folded, and the gradient to the latents by hand.

Inference needs K reconstructions and the gradient of a cost to K latents, many times, with frozen weights. So:
- dropout is gone, BatchNorm is folded into the weights before it;
- the linear layer and the first transposed convolution have no nonlinearity between them and become one matrix;
- a transposed convolution of stride 1 is run as the convolution that it is, which measured faster;
- the backward pass computes gradients to activations alone, without autograd's bookkeeping.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from eabs.architecture import ConvLayer
from eabs.networks import Decoders, Discriminator, GroupedDeconv

Pullback = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class _FoldedDeconv:
    """One grouped transposed convolution with BatchNorm folded in."""

    layer: ConvLayer
    groups: int
    weight: Tensor  # (K * in, out, k, k): the transposed convolution's own layout
    flipped: Tensor  # (K * out, in, k, k): the same weights for a plain convolution; used at stride 1
    bias: Tensor

    def forward(self, features: Tensor) -> Tensor:
        layer = self.layer
        if layer.stride == 1:
            padding = layer.kernel - 1 - layer.padding
            return F.conv2d(features, self.flipped, self.bias, padding=padding, groups=self.groups)
        return F.conv_transpose2d(features, self.weight, self.bias, layer.stride, layer.padding, groups=self.groups)

    def backward(self, gradient: Tensor) -> Tensor:
        """Gradient to the layer's input from the gradient to its output."""
        return F.conv2d(gradient, self.weight, None, self.layer.stride, self.layer.padding, groups=self.groups)


class FoldedDecoders:
    """G_1 ... G_K with frozen, folded weights, on the device of the decoders that they were made from."""

    def __init__(self, decoders: Decoders) -> None:
        architecture = decoders.architecture
        self.architecture = architecture
        K = architecture.classes
        with torch.no_grad():
            first, *self._layers = [_fold(deconv, norm) for deconv, norm in decoders.layers()]
            self._matrix, self._bias = _affine_map(decoders, first)
        self._grid = (architecture.decoded_sizes[0],) * 2
        self._channels = K * architecture.decoder[0].channels

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self._matrix.device

    def decode(self, latents: Tensor) -> Tensor:
        """Reconstructions (N, K, C, H, W) in (0, 1) of latents (N, K, M), one a class."""
        features = self._first(latents)
        for layer in self._layers[:-1]:
            features = layer.forward(features).relu_()
        return self._as_images(self._layers[-1].forward(features).sigmoid_())

    def decode_with_pullback(self, latents: Tensor) -> tuple[Tensor, Pullback]:
        """Reconstructions, and the map from a gradient to them (N, K, C, H, W) to that to the latents (N, K, M).

        The pullback may be called once, and overwrites no tensor that the caller holds.
        """
        activations = [self._first(latents)]
        for layer in self._layers[:-1]:
            activations.append(layer.forward(activations[-1]).relu_())
        images = self._layers[-1].forward(activations[-1]).sigmoid_()

        def pullback(gradient: Tensor) -> Tensor:
            flat: Tensor = gradient.flatten(1, 2).contiguous(memory_format=torch.channels_last)
            flat = torch.ops.aten.sigmoid_backward(flat, images)
            for layer, activation in zip(reversed(self._layers), reversed(activations), strict=True):
                flat = torch.ops.aten.threshold_backward(layer.backward(flat), activation, 0)
            columns = flat.permute(0, 2, 3, 1).reshape(len(flat), -1)
            latents: Tensor = columns @ self._matrix.T
            return latents.view(len(flat), self.architecture.classes, -1)

        return self._as_images(images), pullback

    def _first(self, latents: Tensor) -> Tensor:
        columns = torch.addmm(self._bias, latents.flatten(1), self._matrix).relu_()
        return columns.view(len(latents), *self._grid, self._channels).permute(0, 3, 1, 2)

    def _as_images(self, flat: Tensor) -> Tensor:
        return flat.view(len(flat), self.architecture.classes, *self.architecture.image)


def _fold(deconv: GroupedDeconv, norm: nn.BatchNorm2d | None) -> _FoldedDeconv:
    K = deconv.classes
    per_class = deconv.weight.view(K, -1, *deconv.weight.shape[1:])
    if norm is None:
        bias = cast("Tensor", deconv.bias)
    else:
        mean, variance = cast("Tensor", norm.running_mean), cast("Tensor", norm.running_var)
        scale = norm.weight / torch.sqrt(variance + norm.eps)
        per_class = per_class * scale.view(K, 1, -1, 1, 1)
        bias = norm.bias - mean * scale
    flipped = per_class.transpose(1, 2).flip(3, 4)
    return _FoldedDeconv(
        layer=deconv.layer,
        groups=K,
        weight=per_class.flatten(0, 1).clone(memory_format=torch.channels_last),
        flipped=flipped.flatten(0, 1).clone(memory_format=torch.channels_last),
        bias=bias.clone(),
    )


def _affine_map(decoders: Decoders, first: _FoldedDeconv) -> tuple[Tensor, Tensor]:
    """Matrix (K * M, h * w * K * channels) and bias of the map from latents to the first layer's output.

    The matrix is block-diagonal in the classes, written out in full: one product then gives the channels-last
    layout that the next layer wants.
    """
    architecture = decoders.architecture
    K, M = architecture.classes, architecture.latent
    latents = first.weight.new_zeros(1 + K * M, K * M)
    latents[1:].fill_diagonal_(1)
    latents = latents.view(-1, K, M)
    hidden = torch.einsum("bkm,kmf->bkf", latents, decoders.linear_weight) + decoders.linear_bias
    outputs = first.forward(hidden.flatten(1)[:, :, None, None]).permute(0, 2, 3, 1).flatten(1)
    return (outputs[1:] - outputs[0]).contiguous(), outputs[0].contiguous()


class FoldedDiscriminator:
    """-beta log D(z) and its gradient, by hand, for frozen weights."""

    def __init__(self, discriminator: Discriminator, beta: float) -> None:
        self._beta = beta
        linears = [module for module in discriminator.layers if isinstance(module, nn.Linear)]
        self._weights = [(linear.weight.detach(), linear.bias.detach()) for linear in linears]
        self._slope = next((m.negative_slope for m in discriminator.layers if isinstance(m, nn.LeakyReLU)), 0.0)

    def penalty(self, latents: Tensor) -> Tensor:
        """-beta log D(z): latents (..., M) to (...)."""
        return self._beta * F.softplus(-self._forward(latents)[-1].squeeze(-1))

    def penalty_with_gradient(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """-beta log D(z), and its gradient to z: latents (..., M) to (...) and (..., M)."""
        *hidden, logits = self._forward(latents)
        gradient = -self._beta * torch.sigmoid(-logits)
        for (weight, _), activation in zip(reversed(self._weights[1:]), reversed(hidden), strict=True):
            gradient = torch.ops.aten.leaky_relu_backward(gradient @ weight, activation, self._slope, True)
        return self._beta * F.softplus(-logits.squeeze(-1)), gradient @ self._weights[0][0]

    def _forward(self, latents: Tensor) -> list[Tensor]:
        values = latents
        outputs = []
        for index, (weight, bias) in enumerate(self._weights):
            values = F.linear(values, weight, bias)
            if index < len(self._weights) - 1:
                values = F.leaky_relu(values, self._slope)
            outputs.append(values)
        return outputs
