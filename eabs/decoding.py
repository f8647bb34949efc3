"""The decoders as inference runs them: everything constant folded, and the gradient to the latents by hand.

Inference needs reconstructions, and the gradient of a cost to the latents that made them, many times, with frozen
weights. So:
- dropout is gone, BatchNorm is folded into the weights before it;
- the linear layer and the first transposed convolution have no nonlinearity between them and become one matrix;
- a transposed convolution of stride 1 is run as the convolution that it is, which measured faster;
- the backward pass computes gradients to activations alone, without autograd's bookkeeping, in place.

A latent is decoded by a group: one class's decoder. By default group k is class k; `select` makes other sets, so
that only the classes that still matter are computed, and a class may have more than one group.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from eabs.architecture import Architecture, ConvLayer
from eabs.blocks import in_blocks
from eabs.networks import Decoders, GroupedDeconv

Pullback = Callable[[Tensor], Tensor]

MAX_CPU_ROWS = 8
"""Rows up to which, and MIN_CPU_GROUPS groups from which, a CPU gives bitwise the same result for a row."""
MIN_CPU_GROUPS = 2
_VECTORS = 64


class _FoldedDeconv:
    """One grouped transposed convolution with BatchNorm folded in.

    `kernels` (G, in, k, k, out) is laid out in memory as a channels-last convolution reads it; `flipped`
    (G, out, k, k, in) holds the same weights for the convolution that a stride of 1 amounts to; `bias` (G, out).
    """

    def __init__(self, layer: ConvLayer, *, kernels: Tensor, flipped: Tensor, bias: Tensor) -> None:
        self._layer = layer
        self._kernels, self._flipped, self.bias = kernels, flipped, bias
        self._groups = len(kernels)
        self._weight = kernels.flatten(0, 1).permute(0, 3, 1, 2)
        self._flipped_weight = flipped.flatten(0, 1).permute(0, 3, 1, 2)
        self._flat_bias = bias.flatten()

    def forward(self, features: Tensor) -> Tensor:
        layer, groups = self._layer, self._groups
        if layer.stride == 1:
            padding = layer.kernel - 1 - layer.padding
            return F.conv2d(features, self._flipped_weight, self._flat_bias, padding=padding, groups=groups)
        return F.conv_transpose2d(features, self._weight, self._flat_bias, layer.stride, layer.padding, groups=groups)

    def backward(self, gradient: Tensor) -> Tensor:
        """Gradient to the layer's input from the gradient to its output."""
        return F.conv2d(gradient, self._weight, None, self._layer.stride, self._layer.padding, groups=self._groups)

    def select(self, groups: Tensor) -> "_FoldedDeconv":
        kernels, flipped, bias = (part[groups] for part in (self._kernels, self._flipped, self.bias))
        return _FoldedDeconv(self._layer, kernels=kernels, flipped=flipped, bias=bias)


@dataclass(frozen=True)
class _AffineMap:
    """The linear layer and the first transposed convolution as one map of latents (G, R, M) to its output.

    `matrix` (G, M, h * w * channels), `bias` (G, 1, h * w * channels).
    """

    matrix: Tensor
    bias: Tensor

    def forward(self, latents: Tensor) -> Tensor:
        return in_blocks(lambda block: torch.baddbmm(self.bias, block, self.matrix), latents, MAX_CPU_ROWS)

    def backward(self, gradient: Tensor) -> Tensor:
        return in_blocks(lambda block: torch.bmm(block, self.matrix.transpose(1, 2)), gradient, MAX_CPU_ROWS)

    def select(self, groups: Tensor) -> "_AffineMap":
        return _AffineMap(self.matrix[groups], self.bias[groups])


class FoldedDecoders:
    """G decoders with frozen, folded weights, on the device of the decoders that they were made from."""

    def __init__(self, architecture: Architecture, first: _AffineMap, layers: list[_FoldedDeconv]) -> None:
        self.architecture = architecture
        self._first = first
        self._layers = layers
        self._groups = len(first.matrix)
        self._grid = (architecture.decoded_sizes[0],) * 2

    @classmethod
    def fold(cls, decoders: Decoders) -> "FoldedDecoders":
        """One group for every class, in order."""
        with torch.no_grad():
            first, *layers = [_fold(deconv, norm) for deconv, norm in decoders.layers()]
            return cls(decoders.architecture, _affine_map(decoders, first), layers)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self._first.matrix.device

    def select(self, groups: Tensor) -> "FoldedDecoders":
        """Decoders whose g-th group is the present group `groups[g]`; (G',) int64. Copies their weights."""
        layers = [layer.select(groups) for layer in self._layers]
        return FoldedDecoders(self.architecture, self._first.select(groups), layers)

    def decode(self, latents: Tensor) -> Tensor:
        """Reconstructions (R, G, C, H, W) in (0, 1) of latents (R, G, M), one a group."""
        features = self._open(latents)
        for layer in self._layers[:-1]:
            features = layer.forward(features).relu_()
        return self._as_images(_sigmoid(self._layers[-1].forward(features)))

    def decode_with_pullback(self, latents: Tensor) -> tuple[Tensor, Pullback]:
        """Reconstructions, and the map from a gradient to them (R, G, C, H, W) to that to the latents (R, G, M).

        The pullback may be called once, and overwrites no tensor that the caller holds.
        """
        activations = [self._open(latents)]
        for layer in self._layers[:-1]:
            activations.append(layer.forward(activations[-1]).relu_())
        images = _sigmoid(self._layers[-1].forward(activations[-1]))

        def pullback(gradient: Tensor) -> Tensor:
            flat: Tensor = gradient.flatten(1, 2).contiguous(memory_format=torch.channels_last)
            flat = torch.ops.aten.sigmoid_backward(flat, images)
            for layer, activation in zip(reversed(self._layers), reversed(activations), strict=True):
                flat = layer.backward(flat)
                torch.ops.aten.threshold_backward.grad_input(flat, activation, 0, grad_input=flat)
            rows = flat.permute(0, 2, 3, 1).unflatten(3, (self._groups, -1)).permute(3, 0, 1, 2, 4)
            latents_gradient: Tensor = self._first.backward(rows.flatten(2)).transpose(0, 1)
            return latents_gradient

        return self._as_images(images), pullback

    def _open(self, latents: Tensor) -> Tensor:
        """The first layer's features (R, G * channels, h, w), channels-last."""
        rows = self._first.forward(latents.transpose(0, 1)).relu_().unflatten(2, (*self._grid, -1))
        features: Tensor = rows.permute(1, 2, 3, 0, 4).flatten(3).permute(0, 3, 1, 2)
        return features

    def _as_images(self, flat: Tensor) -> Tensor:
        images: Tensor = flat.view(len(flat), self._groups, *self.architecture.image)
        return images


def _sigmoid(features: Tensor) -> Tensor:
    """In place where it can be. What a CPU's vectors leave over at the end rounds differently, so nothing may be."""
    over = -features.numel() % _VECTORS
    if features.is_cuda or not over:
        return features.sigmoid_()
    rows = features.permute(0, 2, 3, 1)
    padded = F.pad(rows.reshape(-1), (0, over)).sigmoid_()
    return padded[: features.numel()].view(rows.shape).permute(0, 3, 1, 2)


def _fold(deconv: GroupedDeconv, norm: nn.BatchNorm2d | None) -> _FoldedDeconv:
    K = deconv.classes
    weight = deconv.weight.view(K, -1, *deconv.weight.shape[1:])
    if norm is None:
        bias = cast("Tensor", deconv.bias)
    else:
        mean, variance = cast("Tensor", norm.running_mean), cast("Tensor", norm.running_var)
        scale = norm.weight / torch.sqrt(variance + norm.eps)
        weight = weight * scale.view(K, 1, -1, 1, 1)
        bias = norm.bias - mean * scale
    return _FoldedDeconv(
        deconv.layer,
        kernels=weight.permute(0, 1, 3, 4, 2).clone(memory_format=torch.contiguous_format),
        flipped=weight.flip(3, 4).permute(0, 2, 3, 4, 1).clone(memory_format=torch.contiguous_format),
        bias=bias.view(K, -1).clone(),
    )


def _affine_map(decoders: Decoders, first: _FoldedDeconv) -> _AffineMap:
    architecture = decoders.architecture
    K, M = architecture.classes, architecture.latent
    # Row 0 is the bias, row 1 + m what the m-th coordinate adds to it.
    latents = torch.cat([first.bias.new_zeros(1, M), torch.eye(M, device=first.bias.device)])
    hidden = torch.einsum("rm,kmf->rkf", latents, decoders.linear_weight) + decoders.linear_bias
    outputs = first.forward(hidden.flatten(1)[:, :, None, None])
    rows = outputs.unflatten(1, (K, -1)).permute(1, 0, 3, 4, 2).flatten(2)
    return _AffineMap(matrix=(rows[:, 1:] - rows[:, :1]).contiguous(), bias=rows[:, :1].contiguous())
