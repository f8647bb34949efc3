import pytest
import torch
from torch import Tensor

from eabs.architecture import PRESETS
from eabs.decoding import FoldedDecoders
from eabs.networks import EABS
from eabs.penalty import penalty_of
from tests.eabs.toy import TOY, BruteForce, random_model


@pytest.fixture(scope="session")
def toy() -> EABS:
    return random_model(TOY, contrast=3.0, seed=3)


@pytest.fixture(scope="session")
def brute_force(toy: EABS) -> BruteForce:
    axis = torch.linspace(-5, 5, 201)
    latents = torch.cartesian_prod(axis, axis)
    with torch.inference_mode():
        decoders = FoldedDecoders.fold(toy.decoders)
        images = torch.cat([decoders.decode(z[:, None].expand(-1, 3, -1)) for z in latents.split(4096)])
        penalties = penalty_of(toy, beta=1.0).by_class(latents)
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
    return random_model(PRESETS[request.param], batches=3)


@pytest.fixture(scope="session")
def mnist_model() -> EABS:
    return random_model(PRESETS["mnist"], contrast=3.0)
