import pytest
import torch
from torch import Tensor

from eabs.candidates import CandidateBank, Objective
from eabs.decoding import FoldedDecoders, FoldedDiscriminator
from eabs.networks import EABS


def bank_of(model: EABS, count: int, seed: int = 0) -> CandidateBank:
    return CandidateBank.decode(
        FoldedDecoders(model.decoders), FoldedDiscriminator(model.discriminator, 1.0), count=count, seed=seed
    )


@pytest.mark.parametrize("objective", ["score", "distance"])
def test_search_finds_what_trying_every_candidate_finds(
    toy: EABS, toy_images: tuple[Tensor, Tensor], objective: Objective
) -> None:
    images, _ = toy_images
    bank = bank_of(toy, 300)
    decoded = toy.decoders(bank.latents)
    values = ((images[:, None, None] - decoded) ** 2).sum((3, 4, 5))
    if objective == "score":
        values = values - torch.nn.functional.logsigmoid(toy.discriminator(bank.latents))[None, :, None]
    expected, indices = values.sort(1)
    starts = bank.search(images, 3, objective)
    torch.testing.assert_close(starts.values, expected[:, :3], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(starts.latents[:, 0], bank.latents[indices[:, 0]])


def test_the_same_seed_draws_the_same_candidates_and_another_seed_others(toy: EABS) -> None:
    assert torch.equal(bank_of(toy, 50).latents, bank_of(toy, 50).latents)
    assert not torch.equal(bank_of(toy, 50).latents, bank_of(toy, 50, seed=1).latents)
