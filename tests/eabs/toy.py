"""A model so small that its latent optimum can be found by trying every latent."""

from dataclasses import dataclass

import torch
from torch import Tensor

from eabs.architecture import Architecture, ConvLayer
from eabs.networks import EABS

TOY = Architecture(
    image=(1, 8, 8),
    classes=3,
    latent=2,
    encoder=(ConvLayer(4, 4, 2, 1), ConvLayer(4, 4, 2, 1)),
    decoder_linear=6,
    decoder=(ConvLayer(6, 4, 1, 0), ConvLayer(4, 4, 2, 1), ConvLayer(1, 1, 1, 0)),
    discriminator=(8, 8),
)


def random_model(architecture: Architecture, *, contrast: float = 1.0, seed: int = 0, batches: int = 30) -> EABS:
    """A model of random weights whose BatchNorm statistics have seen `batches` of the prior; `contrast` scales its
    logits."""
    torch.manual_seed(seed)
    model = EABS(architecture)
    with torch.no_grad():
        model.decoders.deconvs[-1].weight.mul_(contrast)
        model.encoder.train()
        model.decoders.train()
        for _ in range(batches):
            images = model.decoders(torch.randn(64, architecture.latent))
            model.encoder(images[:, 0])
    return model.eval().requires_grad_(False)


@dataclass(frozen=True)
class BruteForce:
    """Every latent of a fine grid, decoded: (6) and (7) by trying them all."""

    latents: Tensor  # (N, M)
    images: Tensor  # (K, N, P)
    penalties: Tensor  # (N,)

    def within(self, reach: float) -> "BruteForce":
        """The same search over the latents with no coordinate beyond `reach`."""
        near = (self.latents.abs() <= reach).all(1)
        return BruteForce(self.latents[near], self.images[:, near], self.penalties[near])

    def distances(self, images: Tensor) -> Tensor:
        """||x - G_k(z)||_2 for every grid latent: (B, C, H, W) to (B, K, N), in float64."""
        return torch.cdist(images.flatten(1).double()[None], self.images.double()).transpose(0, 1)

    def scores(self, images: Tensor) -> Tensor:
        """c - beta log D for every grid latent: (B, K, N)."""
        return self.distances(images).square() + self.penalties.double()
