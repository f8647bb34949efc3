"""Latent inference of the variants, by trying every latent of a toy, and by torch's own Adam."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from eabs.candidates import Objective
from eabs.family import GenerativeModel, build
from eabs.inference import LatentInference
from eabs.objective import divergence
from eabs.settings import AdamSettings, InferenceSettings, QuasiNewtonSettings
from eabs.variant import Kind, Variant
from tests.eabs.toy import TOY

LONG = QuasiNewtonSettings(steps=100, starts=8)
BETA = 0.7


def toy_of(kind: Kind) -> GenerativeModel:
    torch.manual_seed(3)
    model = build(TOY, Variant.of(kind))
    with torch.no_grad():
        model.decoders.deconvs[-1].weight.mul_(8.0)
    return model.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def images() -> Tensor:
    generator = torch.Generator().manual_seed(5)
    decoded = toy_of("abs").decoders(torch.randn(6, 2, generator=generator))
    made = decoded[torch.arange(6), torch.arange(6) % 3]
    return (made + 0.05 * torch.randn(made.shape, generator=generator)).clamp(0, 1)


def penalties(model: GenerativeModel, latents: Tensor) -> Tensor:
    """Of latents (N, M), by definition, every class's: (K, N)."""
    if model.discriminator is None:
        return (BETA / 2 * latents.square().sum(1)).expand(3, -1)
    found = -BETA * torch.nn.functional.logsigmoid(model.discriminator(latents))
    return found.expand(3, -1) if found.dim() == 1 else found.T


@pytest.mark.parametrize("kind", ["abs", "a-abs", "d-abs", "ad-abs"])
@pytest.mark.parametrize("objective", ["score", "distance"])
def test_exact_inference_finds_what_trying_every_latent_finds(kind: Kind, objective: Objective, images: Tensor) -> None:
    model = toy_of(kind)
    axis = torch.linspace(-4, 4, 161)
    grid = torch.cartesian_prod(axis, axis)
    with torch.inference_mode():
        decoded = torch.cat([model.decoders(part) for part in grid.split(8192)]).flatten(2)
    costs = torch.cdist(images.flatten(1).double()[None], decoded.transpose(0, 1).double()).transpose(0, 1).square()
    every = costs + penalties(model, grid).double() if objective == "score" else costs
    inside = (grid.abs() <= 3).all(1)
    inference = LatentInference.prepare(model, beta=BETA, seed=0, candidates=100)
    found = inference.infer(images, replace(LONG, objective=objective))
    scores = found.scores.double()
    assert (scores <= every[..., inside].amin(2) + 1e-3).all()
    # The grid is 0.05 wide, so the true optimum lies a little below the grid's.
    if objective == "score":
        assert (scores >= every.amin(2) - 0.05).all()
    residuals = (images[:, None] - inference.reconstruct(found.latents)).flatten(2)
    torch.testing.assert_close(found.distances, residuals.norm(dim=2), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("kind", ["v-abs", "dv-abs", "av-abs"])
def test_variational_inference_is_adam_on_the_divergence_or_the_discriminators_word(kind: Kind, images: Tensor) -> None:
    model = toy_of(kind)
    settings = AdamSettings(steps=15, initial_std=0.5, samples=2)
    inference = LatentInference.prepare(model, beta=BETA, seed=0, candidates=1)
    found = inference.infer(images, settings)
    mean, log_variance = model.encoder(images)
    mean, log_variance = (part if part.dim() == 3 else part[:, None].expand(-1, 3, -1) for part in (mean, log_variance))
    noise = inference._noise(settings)[:, 0].clone()

    def loss(mu: Tensor, log_std: Tensor, draw: Tensor, x: Tensor, k: int) -> Tensor:
        z = mu + log_std.exp() * draw
        cost = (model.decoders(z[None])[0, k] - x).square().sum()
        if model.discriminator is None:
            return cost + BETA * divergence(mu, 2 * log_std)
        return cost - BETA * torch.nn.functional.logsigmoid(model.discriminator(z[None])[0, k])

    for b, x in enumerate(images):
        for k in range(3):
            candidate, proposal = inference.bank.latents[0], mean[b, k]
            values = [
                (model.decoders(z[None])[0, k] - x).square().sum() + penalties(model, z[None])[k, 0]
                for z in (candidate, proposal)
            ]
            proposed = bool(values[1] < values[0])
            mu = (proposal if proposed else candidate).detach().clone().requires_grad_()
            start = 0.5 * log_variance[b, k] if proposed else torch.full((2,), settings.initial_std).log()
            log_std = start.clone().requires_grad_()
            adam = torch.optim.Adam([mu, log_std], settings.learning_rate)
            for step in range(settings.steps):
                adam.zero_grad()
                loss(mu, log_std, noise[step], x, k).backward()
                adam.step()
            expected = torch.stack([loss(mu, log_std, draw, x, k) for draw in noise[settings.steps :]]).mean()
            torch.testing.assert_close(found.latents[b, k], mu.detach(), rtol=1e-3, atol=1e-3)
            torch.testing.assert_close(found.scores[b, k], expected.detach(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("kind", ["abs", "a-abs"])
@pytest.mark.parametrize("settings", [QuasiNewtonSettings(steps=20, starts=2), AdamSettings(steps=5)])
def test_an_answer_of_class_specific_networks_depends_on_no_neighbour(
    kind: Kind, settings: InferenceSettings, images: Tensor
) -> None:
    inference = LatentInference.prepare(toy_of(kind), beta=BETA, seed=0, candidates=50)
    together = inference.infer(images, settings)
    alone = torch.cat([inference.infer(image[None], settings).scores for image in images])
    assert torch.equal(alone, together.scores)
