"""Networks without the discriminative loss: every class has an encoder, and perhaps a discriminator, of its own.

They are K separate networks in one module, as the decoders are. In training each sees the images of its own class
alone, and its BatchNorm their statistics: `own` computes one network an image, laid out by class.
"""

import itertools
import math
from collections.abc import Callable, Iterator
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from eabs.architecture import Architecture
from eabs.by_class import ByClass
from eabs.networks import LEAK, LOG_VARIANCE_RANGE, Decoders


class ClassBatchNorm2d(nn.BatchNorm2d):
    """BatchNorm of K groups of channels, each over the images of its own class.

    `total` sums over all processes of a training what is of this one's images.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__(classes * channels)
        self.channels = channels
        self.total: Callable[[Tensor], Tensor] = lambda part: part

    def forward(self, features: Tensor, layout: ByClass | None = None) -> Tensor:
        """(R, K * C, H, W) to the same shape; with the running statistics in evaluation or without a layout."""
        if layout is None or not self.training:
            return F.batch_norm(
                features, self.running_mean, self.running_var, self.weight, self.bias, training=False, eps=self.eps
            )
        wide = features.to(torch.promote_types(features.dtype, torch.float32))
        taken = layout.taken.repeat_interleave(self.channels, dim=1)[:, :, None, None]
        counts = self.total(layout.counts.to(wide.dtype)).repeat_interleave(self.channels)
        counts = counts * features.shape[2] * features.shape[3]
        present = counts.clamp_min(1)
        mean = self.total((wide * taken).sum((0, 2, 3))) / present
        centred = (wide - mean[:, None, None]) * taken
        variance = self.total(centred.square().sum((0, 2, 3))) / present
        self._remember(mean.detach(), variance.detach() * present / (present - 1).clamp_min(1), counts > 0)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(features.dtype)

    def _remember(self, mean: Tensor, variance: Tensor, seen: Tensor) -> None:
        pairs = ((self.running_mean, mean), (self.running_var, variance))
        for running, found in pairs:
            cast("Tensor", running).lerp_(found, seen * cast("float", self.momentum))
        cast("Tensor", self.num_batches_tracked).add_(1)


class ClassLinear(nn.Module):
    """K linear layers: (..., K, inputs) to (..., K, outputs)."""

    def __init__(self, classes: int, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(inputs)  # torch's own for a linear layer
        self.weight = nn.Parameter(torch.empty(classes, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(classes, outputs).uniform_(-bound, bound))

    def forward(self, features: Tensor) -> Tensor:
        found: Tensor = torch.einsum("...ki,kio->...ko", features, self.weight) + self.bias
        return found


class ClassEncoders(nn.Module):
    """Q_1(z|x) ... Q_K(z|x), with the layers of `Encoder`."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        K = architecture.classes
        self.convs = nn.ModuleList()
        self.norms = nn.ModuleList()
        channels = architecture.image[0]
        for layer in architecture.encoder:
            shape = (K * channels, K * layer.channels, layer.kernel, layer.stride, layer.padding)
            self.convs.append(nn.Conv2d(*shape, groups=K, bias=False))
            self.norms.append(ClassBatchNorm2d(layer.channels, K))
            channels = layer.channels
        self.dropout = nn.Dropout(architecture.dropout)
        self.mean = ClassLinear(K, architecture.encoder_features, architecture.latent)
        self.log_variance = ClassLinear(K, architecture.encoder_features, architecture.latent)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Every class's Q(z|x) of every image, as in inference whatever the mode: no dropout, no batch's statistics.

        Args:
            images: (B, C, H, W) float in [0, 1].

        Returns:
            mu and log sigma^2, each (B, K, M).
        """
        features = self._features(images.repeat(1, self.architecture.classes, 1, 1), None)
        return self._heads(features)

    def own(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Q_y(z|x): images (B, C, H, W) of classes (B,) to mu and log sigma^2, each (B, M)."""
        layout = ByClass(labels, self.architecture.classes)
        features = layout.collect(self._features(layout.spread(images).flatten(1, 2), layout))
        mean, log_variance = self._heads(layout.spread(self.dropout(features)))
        return layout.collect(mean), layout.collect(log_variance)

    def _features(self, images: Tensor, layout: ByClass | None) -> Tensor:
        """(R, K * C, H, W) to (R, K, encoder_features)."""
        features = images.contiguous(memory_format=torch.channels_last)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            features = F.leaky_relu(norm(conv(features), layout), LEAK)
        by_class: Tensor = features.flatten(1).unflatten(1, (self.architecture.classes, -1))
        return by_class

    def _heads(self, features: Tensor) -> tuple[Tensor, Tensor]:
        return self.mean(features), self.log_variance(features).clamp(*LOG_VARIANCE_RANGE)


class ClassDecoders(Decoders):
    """The decoders, each with the statistics of its own class's images."""

    def own(self, latents: Tensor, labels: Tensor) -> Tensor:
        """G_y(z): latents (B, M) of classes (B,) to images (B, C, H, W). The other classes' decoders do not run."""
        layout = ByClass(labels, self.architecture.classes)
        hidden = layout.collect(self.open(layout.spread(latents)))
        features = layout.spread(self.dropout(hidden)).flatten(1)[:, :, None, None]
        for deconv, norm in self.layers():
            features = deconv(features.contiguous(memory_format=torch.channels_last))
            features = torch.sigmoid(features) if norm is None else F.relu(norm(features, layout))
        return layout.collect(features.unflatten(1, (self.architecture.classes, -1)))

    def _norm(self, channels: int) -> nn.BatchNorm2d:
        return ClassBatchNorm2d(channels, self.architecture.classes)


class ClassDiscriminators(nn.Module):
    """D_1(z) ... D_K(z), with the layers of `Discriminator`."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        widths = (architecture.latent, *architecture.discriminator, 1)
        self.linears = nn.ModuleList(ClassLinear(architecture.classes, *shape) for shape in itertools.pairwise(widths))

    def layers(self) -> Iterator[ClassLinear]:
        """The linear layers in order, with a leaky ReLU between them."""
        for linear in self.linears:
            yield cast("ClassLinear", linear)

    def forward(self, latents: Tensor) -> Tensor:
        """Logits of every class's D(z), (B, K).

        Args:
            latents: (B, M), judged by every class, or (B, K, M), one latent a class.
        """
        if latents.dim() == 2:
            latents = latents.unsqueeze(1).expand(-1, self.architecture.classes, -1)
        first, *others = self.layers()
        values: Tensor = first(latents)
        for linear in others:
            values = linear(F.leaky_relu(values, LEAK))
        return values.squeeze(-1)


class ClassModel(nn.Module):
    """A model without the discriminative loss; `discriminator` where its prior is adversarial."""

    def __init__(self, architecture: Architecture, discriminator: ClassDiscriminators | None) -> None:
        super().__init__()
        self.architecture = architecture
        self.encoder = ClassEncoders(architecture)
        self.decoders = ClassDecoders(architecture)
        self.discriminator = discriminator
