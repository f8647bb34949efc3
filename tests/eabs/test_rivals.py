import copy

import torch
from torch import Tensor

from eabs.costs import reconstruction_costs
from eabs.networks import EABS
from eabs.objective import ObjectiveWeights, autoencoder_objective
from eabs.rivals import DESCENDED, Nearest, descended, nearest_of_batch


def no_penalty(latents: Tensor) -> Tensor:
    return torch.zeros(latents.shape[:2])


def start(model: EABS, images: Tensor) -> tuple[Nearest, Tensor]:
    latents = torch.randn(len(images), 2, generator=torch.Generator().manual_seed(4))
    return nearest_of_batch(images, latents, model.decoders(latents))


def test_the_nearest_have_their_own_latents(toy: EABS, toy_images: tuple[Tensor, Tensor]) -> None:
    images, _ = toy_images
    toy = copy.deepcopy(toy).eval()
    nearest, latents = start(toy, images)
    made = toy.decoders(latents)
    torch.testing.assert_close(made.flatten(2), nearest.recreations)
    torch.testing.assert_close(reconstruction_costs(images, made), nearest.costs, atol=1e-4, rtol=1e-4)


def test_rivals_of_every_fourth_image_come_nearer_and_the_others_stay(
    toy: EABS, toy_images: tuple[Tensor, Tensor]
) -> None:
    images, _ = toy_images
    toy = copy.deepcopy(toy).train()
    nearest, latents = start(toy, images)
    found = descended(toy.decoders, images, latents, nearest, steps=5, penalty=no_penalty)
    descend = torch.arange(len(images)) % DESCENDED == 0
    assert (found.costs <= nearest.costs).all()
    assert found.costs[descend].mean() < nearest.costs[descend].mean()
    assert torch.equal(found.costs[~descend], nearest.costs[~descend])
    assert torch.equal(found.recreations[~descend], nearest.recreations[~descend])
    torch.testing.assert_close(
        found.costs[descend], (images[descend].flatten(1)[:, None] - found.recreations[descend]).square().sum(2)
    )


def test_the_search_leaves_no_trace_in_the_decoders(toy: EABS, toy_images: tuple[Tensor, Tensor]) -> None:
    images, _ = toy_images
    toy = copy.deepcopy(toy).train()
    nearest, latents = start(toy, images)
    before = {name: value.clone() for name, value in toy.state_dict().items()}
    descended(toy.decoders, images, latents, nearest, steps=2, penalty=no_penalty)
    assert toy.decoders.training
    assert all(torch.equal(value, before[name]) for name, value in toy.state_dict().items())
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
