"""The networks of E-ABS: one shared encoder, K decoders in one module, one latent discriminator.

Structure after Figure 2 and Table 9 of Ju & Wagner (AISec 2020).
"""

import math
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from eabs.architecture import Architecture, ConvLayer

LEAK = 0.2
LOG_VARIANCE_RANGE = (-8.0, 4.0)


def convolutions(architecture: Architecture) -> nn.Sequential:
    """The encoder's convolutions and dropout: images (B, C, H, W) to (B, encoder_features)."""
    layers: list[nn.Module] = []
    channels = architecture.image[0]
    for layer in architecture.encoder:
        layers += [
            nn.Conv2d(channels, layer.channels, layer.kernel, layer.stride, layer.padding, bias=False),
            nn.BatchNorm2d(layer.channels),
            nn.LeakyReLU(LEAK),
        ]
        channels = layer.channels
    return nn.Sequential(*layers, nn.Dropout(architecture.dropout), nn.Flatten())


class Encoder(nn.Module):
    """Q(z|x) = N(mu, diag sigma^2): convolutions, dropout, and two parallel linear layers."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.features = convolutions(architecture)
        self.mean = nn.Linear(architecture.encoder_features, architecture.latent)
        self.log_variance = nn.Linear(architecture.encoder_features, architecture.latent)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Parameters of Q(z|x).

        Args:
            images: (B, C, H, W) float in [0, 1].

        Returns:
            mu and log sigma^2, each (B, M).
        """
        features = self.features(images.contiguous(memory_format=torch.channels_last))
        return self.mean(features), self.log_variance(features).clamp(*LOG_VARIANCE_RANGE)


class GroupedDeconv(nn.Module):
    """One transposed convolution of all K decoders: K groups, so that no class sees another's channels."""

    def __init__(self, classes: int, channels: int, layer: ConvLayer, *, bias: bool) -> None:
        super().__init__()
        self.classes = classes
        self.layer = layer
        self.weight = nn.Parameter(torch.empty(classes * channels, layer.channels, layer.kernel, layer.kernel))
        self.bias = nn.Parameter(torch.zeros(classes * layer.channels)) if bias else None
        # Per output pixel about channels * (kernel / stride)^2 products are summed: He's variance for that fan-in.
        fan_in = channels * max(1.0, layer.kernel / layer.stride) ** 2
        _draw(self.weight, std=math.sqrt((1.0 if bias else 2.0) / fan_in))

    def forward(self, features: Tensor) -> Tensor:
        """(B, K * channels, h, w) to (B, K * layer.channels, h', w')."""
        return F.conv_transpose2d(
            features,
            self.weight,
            self.bias,
            stride=self.layer.stride,
            padding=self.layer.padding,
            groups=self.classes,
        )


class Decoders(nn.Module):
    """G_1 ... G_K as one computation: class k owns the k-th group of channels in every layer.

    Grouped transposed convolutions in channels-last memory measured fastest on the CPU
    (`benchmarks/decoder_layouts.py`).
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        K, width = architecture.classes, architecture.decoder_linear
        self.linear_weight = nn.Parameter(torch.empty(K, architecture.latent, width))
        self.linear_bias = nn.Parameter(torch.zeros(K, width))
        _draw(self.linear_weight, std=math.sqrt(1.0 / architecture.latent))
        self.dropout = nn.Dropout(architecture.dropout)
        self.deconvs = nn.ModuleList()
        self.norms = nn.ModuleList()
        channels = width
        for layer in architecture.decoder[:-1]:
            self.deconvs.append(GroupedDeconv(K, channels, layer, bias=False))
            self.norms.append(self._norm(layer.channels))
            channels = layer.channels
        self.deconvs.append(GroupedDeconv(K, channels, architecture.decoder[-1], bias=True))

    def layers(self) -> Iterator[tuple[GroupedDeconv, nn.BatchNorm2d | None]]:
        """The transposed convolutions in order, each with its BatchNorm; the last has none."""
        deconvs = cast("Iterable[GroupedDeconv]", self.deconvs)
        norms = cast("Iterable[nn.BatchNorm2d]", self.norms)
        yield from zip_longest(deconvs, norms)

    def forward(self, latents: Tensor) -> Tensor:
        """Each class's image of each latent.

        Args:
            latents: (B, M), decoded by every class, or (B, K, M), one latent a class.

        Returns:
            (B, K, C, H, W) in (0, 1).
        """
        K = self.architecture.classes
        if latents.dim() == 2:
            latents = latents.unsqueeze(1).expand(-1, K, -1)
        features = self.dropout(self.open(latents)).flatten(1)[:, :, None, None]
        for deconv, norm in self.layers():
            # Of one pixel either layout is the other, and what the first layer makes of it is not channels-last.
            features = deconv(features.contiguous(memory_format=torch.channels_last))
            features = torch.sigmoid(features) if norm is None else F.relu(norm(features))
        images: Tensor = features.view(len(latents), K, *self.architecture.image)
        return images

    def open(self, latents: Tensor) -> Tensor:
        """The linear layers' outputs, one latent a class: (B, K, M) to (B, K, width)."""
        hidden: Tensor = torch.einsum("bkm,kmf->bkf", latents, self.linear_weight) + self.linear_bias
        return hidden

    def _norm(self, channels: int) -> nn.BatchNorm2d:
        return nn.BatchNorm2d(self.architecture.classes * channels)


class Discriminator(nn.Module):
    """D(z): how likely a latent was drawn from the prior N(0, I) rather than encoded from an image."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = architecture.latent
        for hidden in architecture.discriminator:
            layers += [nn.Linear(width, hidden), nn.LeakyReLU(LEAK)]
            width = hidden
        self.layers = nn.Sequential(*layers, nn.Linear(width, 1))

    def forward(self, latents: Tensor) -> Tensor:
        """Logits of D(z): (..., M) to (...); log D(z) is their log-sigmoid."""
        logits: Tensor = self.layers(latents)
        return logits.squeeze(-1)


class SharedEncoderModel(nn.Module):
    """A model with the discriminative loss; `discriminator` where its prior is adversarial."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.encoder = Encoder(architecture)
        self.decoders = Decoders(architecture)
        self.discriminator: Discriminator | None = None


class EABS(SharedEncoderModel):
    """The three networks of one E-ABS model."""

    discriminator: Discriminator

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        self.discriminator = Discriminator(architecture)


def sample(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """The reparameterised sample mu + sigma * noise of N(mu, diag sigma^2); all tensors (..., M)."""
    return mean + torch.exp(0.5 * log_variance) * noise


def _draw(weight: Tensor, *, std: float) -> None:
    # On the meta device there is nothing to draw, and PyTorch would load its whole compiler to do so.
    if not weight.is_meta:
        nn.init.normal_(weight, std=std)
