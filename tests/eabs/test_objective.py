import math

import pytest
import torch
from torch import Tensor

from eabs.networks import EABS, sample
from eabs.objective import (
    ObjectiveWeights,
    autoencoder_objective,
    discriminator_objective,
    pairwise_costs,
    reconstruction_costs,
)


def equation_5(model: EABS, images: Tensor, labels: Tensor, noise: Tensor, beta: float, gamma: float) -> float:
    """(5) image by image and class by class, in plain arithmetic, with the discriminator left in (4)."""
    mean, log_variance = model.encoder(images)
    latents = sample(mean, log_variance, noise)
    total = 0.0
    for x, y, z in zip(images, labels, latents, strict=True):
        log_d = math.log(1 / (1 + math.exp(-model.discriminator(z).item())))
        costs = [((x - g) ** 2).sum().item() for g in model.decoders(z[None])[0]]
        scores = [cost - beta * log_d for cost in costs]
        cross_entropy = scores[y] + math.log(sum(math.exp(-score) for score in scores))
        total += scores[y] + gamma * cross_entropy
    return total / len(images)


@pytest.fixture
def batch(toy_images: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    images, labels = toy_images
    return images, labels, torch.randn(len(images), 2, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize(("beta", "gamma"), [(1.0, 10.0), (0.5, 2.0)])
def test_autoencoder_objective_is_equation_5(
    toy: EABS, batch: tuple[Tensor, Tensor, Tensor], beta: float, gamma: float
) -> None:
    terms = autoencoder_objective(toy, *batch, ObjectiveWeights(beta, gamma))
    assert terms.total.item() == pytest.approx(equation_5(toy, *batch, beta, gamma), rel=1e-4)


def test_discriminator_objective_is_minus_beta_times_the_log_likelihoods(toy: EABS) -> None:
    encoded, prior = torch.randn(5, 2), torch.randn(5, 2)
    d_prior, d_encoded = torch.sigmoid(toy.discriminator(prior)), torch.sigmoid(toy.discriminator(encoded))
    expected = -2 * (d_prior.log() + (1 - d_encoded).log()).mean()
    torch.testing.assert_close(discriminator_objective(toy.discriminator, encoded, prior, beta=2.0), expected)


def test_pairwise_costs_are_the_squared_distances_of_every_pair() -> None:
    images, reconstructions = torch.rand(3, 1, 8, 8), torch.rand(4, 3, 1, 8, 8)
    found = pairwise_costs(images, reconstructions)
    for j in range(4):
        expected = reconstruction_costs(images, reconstructions[j].expand(3, -1, -1, -1, -1))
        torch.testing.assert_close(found[:, j], expected)


def test_rival_search_faces_each_image_with_the_best_image_of_every_rival(
    toy: EABS, batch: tuple[Tensor, Tensor, Tensor]
) -> None:
    images, labels, noise = batch
    terms = autoencoder_objective(toy, images, labels, noise, ObjectiveWeights(rival_search=1.0))
    reconstructions = toy.decoders(terms.latents)
    expected = 0.0
    for i, (x, y) in enumerate(zip(images, labels, strict=True)):
        costs = ((x - reconstructions) ** 2).sum((2, 3, 4))
        logits = torch.stack([-costs[i, k] if k == y else -costs[:, k].min() for k in range(3)])
        expected += -torch.log_softmax(logits, 0)[y].item() / len(images)
    assert terms.rival.item() == pytest.approx(expected, rel=1e-3)


def test_the_discriminator_pulls_the_encoder_and_the_latents_it_learns_from_are_detached(
    toy: EABS, batch: tuple[Tensor, Tensor, Tensor]
) -> None:
    encoder_bias = toy.encoder.mean.bias
    encoder_bias.requires_grad_(True)
    try:
        terms = autoencoder_objective(toy, *batch, ObjectiveWeights())
        (gradient,) = torch.autograd.grad(terms.total, encoder_bias)
        assert gradient.abs().sum() > 0
        assert not terms.latents.requires_grad
    finally:
        encoder_bias.requires_grad_(False)
