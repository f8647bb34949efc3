import copy
from contextlib import nullcontext

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from eabs.costs import reconstruction_costs
from eabs.networks import EABS
from eabs.objective import ObjectiveWeights, autoencoder_objective
from eabs.rivals import Nearest, descended, nearest_of_batch
from tests.eabs.toy import BruteForce


def start(model: EABS, images: Tensor, latents: int = 24) -> tuple[Nearest, Tensor]:
    drawn = torch.randn(latents, 2, generator=torch.Generator().manual_seed(4))
    return nearest_of_batch(images, drawn, model.decoders(drawn))


def rivals_of(nearest: Nearest, labels: Tensor) -> Tensor:
    return nearest.costs.masked_fill(F.one_hot(labels, 3).bool(), torch.inf).argmin(1)


def descend(model: EABS, images: Tensor, labels: Tensor, latents: Tensor, nearest: Nearest, steps: int) -> Nearest:
    return descended(model, images, labels, latents, nearest, steps=steps, beta=1.0, decoding=nullcontext())


def test_the_nearest_have_their_own_latents(toy: EABS, toy_images: tuple[Tensor, Tensor]) -> None:
    images, _ = toy_images
    toy = copy.deepcopy(toy).eval()
    nearest, latents = start(toy, images)
    made = toy.decoders(latents)
    torch.testing.assert_close(made.flatten(2), nearest.recreations)
    torch.testing.assert_close(reconstruction_costs(images, made), nearest.costs, atol=1e-4, rtol=1e-4)


def test_the_nearest_rival_comes_nearer_and_the_others_stay(toy: EABS, toy_images: tuple[Tensor, Tensor]) -> None:
    images, labels = toy_images
    toy = copy.deepcopy(toy).eval()
    nearest, latents = start(toy, images, latents=4)
    found = descend(toy, images, labels, latents, nearest, steps=5)
    is_rival = F.one_hot(rivals_of(nearest, labels), 3).bool()
    assert (found.costs <= nearest.costs).all()
    assert found.costs[is_rival].mean() < 0.9 * nearest.costs[is_rival].mean()
    assert torch.equal(found.costs[~is_rival], nearest.costs[~is_rival])
    assert torch.equal(found.recreations[~is_rival], nearest.recreations[~is_rival])
    differences = images.flatten(1)[:, None] - found.recreations
    torch.testing.assert_close(found.costs[is_rival], differences.square().sum(2)[is_rival], rtol=1e-4, atol=1e-3)


def test_rivals_come_near_to_the_optimum_of_latent_inference(
    toy: EABS, toy_images: tuple[Tensor, Tensor], brute_force: BruteForce
) -> None:
    images, labels = toy_images
    toy = copy.deepcopy(toy).eval()
    nearest, latents = start(toy, images, latents=4)
    found = descend(toy, images, labels, latents, nearest, steps=8)
    rivals = rivals_of(nearest, labels)
    before, after = (near.costs[torch.arange(len(images)), rivals] for near in (nearest, found))
    best = torch.stack(
        [(brute_force.images[k] - x.flatten()).square().sum(1).min() for k, x in zip(rivals, images, strict=True)]
    )
    assert (after - best).mean() < 0.5 * (before - best).mean()


def test_decoders_in_training_mode_are_refused(toy: EABS, toy_images: tuple[Tensor, Tensor]) -> None:
    images, labels = toy_images
    toy = copy.deepcopy(toy)
    nearest, latents = start(toy, images)
    toy.train()
    with pytest.raises(ValueError, match="decoders: expected them in evaluation mode"):
        descend(toy, images, labels, latents, nearest, steps=2)


def test_the_search_leaves_no_gradient(toy: EABS, toy_images: tuple[Tensor, Tensor]) -> None:
    images, labels = toy_images
    toy = copy.deepcopy(toy).eval()
    toy.decoders.requires_grad_()
    nearest, latents = start(toy, images)
    descend(toy, images, labels, latents, nearest, steps=2)
    assert all(parameter.grad is None for parameter in toy.parameters())


def test_better_rivals_make_the_discriminative_losses_harder(toy: EABS, toy_images: tuple[Tensor, Tensor]) -> None:
    images, labels = toy_images
    noise = torch.zeros(len(images), 2)
    toy = copy.deepcopy(toy).eval()
    toy.decoders.requires_grad_()
    easy, hard = (
        autoencoder_objective(
            toy, images, labels, noise, ObjectiveWeights(rival_search=10.0, radius=1.0, rival_steps=steps)
        )
        for steps in (0, 5)
    )
    assert hard.rival >= easy.rival
    assert hard.radius > easy.radius
    assert torch.equal(hard.reconstruction, easy.reconstruction)
    hard.total.backward()
    assert all(parameter.grad is not None for parameter in toy.decoders.parameters())
