import copy
import math

import pytest
import torch
from torch import Tensor

from eabs.family import GenerativeModel, build
from eabs.networks import EABS, sample
from eabs.objective import (
    ObjectiveWeights,
    autoencoder_objective,
    discriminator_objective,
    divergence,
    latents_to_judge,
)
from eabs.prior_match import PriorDraw
from eabs.variant import KINDS, Kind, Variant
from tests.eabs.toy import TOY


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


def test_the_latents_distance_from_the_prior_counts_with_its_weight(
    toy: EABS, batch: tuple[Tensor, Tensor, Tensor]
) -> None:
    prior = PriorDraw(torch.randn(len(batch[0]), 2), torch.eye(2))
    without = autoencoder_objective(toy, *batch, ObjectiveWeights())
    found = autoencoder_objective(toy, *batch, ObjectiveWeights(sliced_wasserstein=3.0), prior=prior)
    assert found.sliced_wasserstein == prior.distance(found.latents)
    torch.testing.assert_close(found.total, without.total + 3.0 * found.sliced_wasserstein)
    assert without.sliced_wasserstein == 0


@torch.no_grad()
def shortfall_by_hand(model: EABS, images: Tensor, labels: Tensor, noise: Tensor, target: float) -> float:
    """How far radii fall short, image by image, with a rival's point found among all that the batch made."""
    recreations = model.decoders(sample(*model.encoder(images), noise))
    total = 0.0
    for x, y, own in zip(images, labels, recreations, strict=True):
        own_distance, radius = ((x - own[y]) ** 2).sum(), math.inf
        for rival in range(recreations.shape[1]):
            if rival != y:
                q = min(recreations[:, rival], key=lambda g: ((x - g) ** 2).sum().item())
                gap = ((x - q) ** 2).sum() - own_distance
                radius = min(radius, (gap / (2 * (q - own[y]).norm())).item())
        total += max(0.0, target - radius)
    return total / len(images)


@pytest.mark.parametrize("target", [0.1, 1.0])
def test_the_shortfall_of_radii_counts_with_its_weight(
    toy: EABS, batch: tuple[Tensor, Tensor, Tensor], target: float
) -> None:
    without = autoencoder_objective(toy, *batch, ObjectiveWeights())
    found = autoencoder_objective(toy, *batch, ObjectiveWeights(radius=5.0, target_radius=target))
    assert found.radius.item() == pytest.approx(shortfall_by_hand(toy, *batch, target), rel=1e-4) != 0
    torch.testing.assert_close(found.total, without.total + 5.0 * found.radius)
    assert without.radius == 0


def test_radii_have_a_gradient_where_two_classes_make_one_image(
    toy: EABS, batch: tuple[Tensor, Tensor, Tensor]
) -> None:
    model = copy.deepcopy(toy).requires_grad_(True)
    with torch.no_grad():
        for parameter in model.decoders.parameters():
            parameter.zero_()
    found = autoencoder_objective(model, *batch, ObjectiveWeights(radius=1.0))
    assert found.radius.item() == pytest.approx(ObjectiveWeights().target_radius, abs=0.01)
    found.total.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


@torch.no_grad()
def by_hand(
    model: GenerativeModel, kind: Kind, batch: tuple[Tensor, Tensor, Tensor], beta: float, gamma: float
) -> float:
    """The objective of any kind, image by image, in evaluation mode: only what the image's own class says, unless D."""
    variant = Variant.of(kind)
    total = 0.0
    for x, y, noise in zip(*batch, strict=True):
        mean, log_variance = (part[0] for part in model.encoder(x[None]))
        if not variant.discriminative:
            mean, log_variance = mean[y], log_variance[y]
        sigma = (log_variance / 2).exp()
        z = mean + sigma * noise
        costs = [((x - g) ** 2).sum().item() for g in model.decoders(z[None])[0]]
        total += costs[y]
        if model.discriminator is None:
            total += beta * sum(0.5 * (m**2 + s**2 - 2 * math.log(s) - 1) for m, s in zip(mean, sigma, strict=True))
        else:
            logits = model.discriminator(z[None])[0]
            total -= beta * math.log(1 / (1 + math.exp(-(logits if variant.discriminative else logits[y]))))
        if variant.discriminative:
            total += gamma * (costs[y] + math.log(sum(math.exp(-cost) for cost in costs)))
    return float(total) / len(batch[0])


@pytest.mark.parametrize("kind", KINDS)
def test_every_kinds_objective_is_its_equation(kind: Kind, batch: tuple[Tensor, Tensor, Tensor]) -> None:
    torch.manual_seed(4)
    model = build(TOY, Variant.of(kind)).eval()
    terms = autoencoder_objective(model, *batch, ObjectiveWeights(0.5, 2.0))
    assert terms.total.item() == pytest.approx(by_hand(model, kind, batch, 0.5, 2.0), rel=1e-4)


def test_the_divergence_is_that_of_two_normal_distributions() -> None:
    mean, log_variance = torch.randn(6, 4), torch.randn(6, 4)
    normal = torch.distributions.Normal
    expected = torch.distributions.kl_divergence(normal(mean, (log_variance / 2).exp()), normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(divergence(mean, log_variance), expected)


def test_a_classs_own_discriminator_judges_what_its_encoder_makes_of_all_images(
    batch: tuple[Tensor, Tensor, Tensor],
) -> None:
    torch.manual_seed(4)
    model = build(TOY, Variant.of("a-abs")).eval()
    images, labels, noise = batch
    own = torch.full((24, 2), 9.0)  # what training made of each image's own class is taken as it is
    judged = latents_to_judge(model, images, labels, noise, own)
    for k in range(3):
        mean, log_variance = (part[:, k] for part in model.encoder(images))
        expected = torch.where((labels == k)[:, None], own, sample(mean, log_variance, noise))
        torch.testing.assert_close(judged[:, k], expected)


def test_discriminator_objective_is_minus_beta_times_the_log_likelihoods(toy: EABS) -> None:
    encoded, prior = torch.randn(5, 2), torch.randn(5, 2)
    d_prior, d_encoded = torch.sigmoid(toy.discriminator(prior)), torch.sigmoid(toy.discriminator(encoded))
    expected = -2 * (d_prior.log() + (1 - d_encoded).log()).mean()
    torch.testing.assert_close(discriminator_objective(toy.discriminator, encoded, prior, beta=2.0), expected)


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
