"""A model so small that its latent optimum can be found by trying every latent."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from eabs.architecture import PRESETS, Architecture, ConvLayer
from eabs.decoding import FoldedDecoders, FoldedDiscriminator
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


def random_model(architecture: Architecture, *, contrast: float = 1.0, seed: int = 0) -> EABS:
    """A model of random weights whose BatchNorm statistics have seen the prior; `contrast` scales its logits."""
    torch.manual_seed(seed)
    model = EABS(architecture)
    with torch.no_grad():
        model.decoders.deconvs[-1].weight.mul_(contrast)
        model.encoder.train()
        model.decoders.train()
        for _ in range(30):
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


@pytest.fixture(scope="session")
def toy() -> EABS:
    return random_model(TOY, contrast=3.0, seed=3)


@pytest.fixture(scope="session")
def brute_force(toy: EABS) -> BruteForce:
    axis = torch.linspace(-5, 5, 201)
    latents = torch.cartesian_prod(axis, axis)
    with torch.inference_mode():
        decoders = FoldedDecoders(toy.decoders)
        images = torch.cat([decoders.decode(z[:, None].expand(-1, 3, -1)) for z in latents.split(4096)])
        penalties = FoldedDiscriminator(toy.discriminator, beta=1.0).penalty(latents)
    return BruteForce(latents, images.flatten(2).transpose(0, 1).clone(), penalties.clone())


@pytest.fixture(scope="session")
def toy_images(toy: EABS) -> tuple[Tensor, Tensor]:
    """Noisy re-creations and the class that made each: (B, C, H, W) and (B,)."""
    generator = torch.Generator().manual_seed(5)
    labels = torch.arange(24) % 3
    decoded = toy.decoders(torch.randn(24, 2, generator=generator))
    images = decoded[torch.arange(24), labels]
    return (images + 0.03 * torch.randn(images.shape, generator=generator)).clamp(0, 1), labels


@pytest.fixture(scope="session", params=sorted(PRESETS))
def preset_model(request: pytest.FixtureRequest) -> EABS:
    return random_model(PRESETS[request.param])


@pytest.fixture(scope="session")
def mnist_model() -> EABS:
    return random_model(PRESETS["mnist"], contrast=3.0)
