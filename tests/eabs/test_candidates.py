import pytest
import torch
from torch import Tensor

from eabs.candidates import COMPONENTS, CandidateBank, Objective
from eabs.decoding import FoldedDecoders
from eabs.networks import EABS
from eabs.penalty import FoldedDiscriminator
from eabs.workers import Workers


def bank_of(model: EABS, count: int, seed: int = 0) -> CandidateBank:
    return CandidateBank.decode(
        FoldedDecoders.fold(model.decoders),
        FoldedDiscriminator(model.discriminator, 1.0),
        count=count,
        seed=seed,
        workers=Workers(1, torch.device("cpu")),
    )


def objective_of(model: EABS, images: Tensor, latents: Tensor, objective: Objective) -> Tensor:
    """(B, N, K) by definition."""
    values = (images[:, None, None] - model.decoders(latents)).square().sum((3, 4, 5))
    if objective == "score":
        values = values - torch.nn.functional.logsigmoid(model.discriminator(latents))[None, :, None]
    return values


# The toy has no more pixels than components, so nothing is left out of its images.
@pytest.mark.parametrize("objective", ["score", "distance"])
def test_search_finds_what_trying_every_candidate_finds(
    toy: EABS, toy_images: tuple[Tensor, Tensor], objective: Objective
) -> None:
    images, _ = toy_images
    bank = bank_of(toy, 300)
    expected, indices = objective_of(toy, images, bank.latents, objective).sort(1)
    starts = bank.search(images, 3, objective)
    torch.testing.assert_close(starts.values, expected[:, :3], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(starts.latents[:, 0], bank.latents[indices[:, 0]])


def test_the_same_seed_draws_the_same_candidates_and_another_seed_others(toy: EABS) -> None:
    assert torch.equal(bank_of(toy, 50).latents, bank_of(toy, 50).latents)
    assert not torch.equal(bank_of(toy, 50).latents, bank_of(toy, 50, seed=1).latents)


@pytest.mark.parametrize("count", [1, 4])
def test_projected_search_starts_nearly_as_well_as_the_best_candidate_and_knows_a_bound(
    count: int, mnist_model: EABS
) -> None:
    model = mnist_model
    bank = bank_of(model, 300)
    assert bank.coordinates.shape == (10, 300, COMPONENTS)
    generator = torch.Generator().manual_seed(1)
    images = model.decoders(torch.randn(12, 10, generator=generator))[:, 3]
    images = (images + 0.1 * torch.randn(images.shape, generator=generator)).clamp(0, 1)
    every = objective_of(model, images, bank.latents, "score")
    starts = bank.search(images, count, "score")
    chosen = torch.stack([(bank.latents == latent).all(1).nonzero()[0, 0] for latent in starts.latents.flatten(0, 2)])
    true = every.gather(1, chosen.view(12, count, 10))
    assert (true <= starts.bounds + 1e-3).all()
    assert (starts.bounds >= starts.values).all()
    best = every.amin(1)
    assert ((true[:, 0] - best) / best).median() < 0.02
