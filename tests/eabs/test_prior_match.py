import torch
from scipy.stats import wasserstein_distance

from eabs.prior_match import PriorDraw


def test_along_one_direction_it_is_the_mean_square_of_matched_differences() -> None:
    samples = torch.tensor([[0.0, 5.0], [1.0, 5.0], [2.0, 5.0]])
    latents = torch.tensor([[2.5, -9.0], [0.5, 7.0], [1.5, 0.0]])
    found = PriorDraw(samples, torch.tensor([[3.0, 0.0]])).distance(latents)
    torch.testing.assert_close(found, torch.tensor(0.25))


def test_shifted_samples_are_as_far_as_the_wasserstein_distance_says() -> None:
    generator = torch.Generator().manual_seed(0)
    samples = torch.randn(40, 3, generator=generator)
    direction = torch.tensor([[0.0, 0.0, 1.0]])
    shifted = samples[torch.randperm(40, generator=generator)] + torch.tensor([4.0, 4.0, 0.7])
    expected = wasserstein_distance(samples[:, 2], shifted[:, 2])  # of a shift, the same for every power
    torch.testing.assert_close(PriorDraw(samples, direction).distance(shifted).sqrt(), torch.tensor(expected).float())


def test_it_is_nothing_for_the_samples_themselves_in_any_order() -> None:
    samples = torch.randn(16, 4, generator=torch.Generator().manual_seed(0))
    assert PriorDraw(samples, torch.eye(4)).distance(samples.flip(0)) == 0


def test_descending_it_leads_latents_to_the_prior() -> None:
    generator = torch.Generator().manual_seed(0)
    latents = (3 + 0.1 * torch.randn(256, 2, generator=generator)).requires_grad_()
    adam = torch.optim.Adam([latents], 0.05)
    for _ in range(300):
        draw = PriorDraw(*(torch.randn(n, 2, generator=generator) for n in (256, 16)))
        adam.zero_grad()
        draw.distance(latents).backward()
        adam.step()
    torch.testing.assert_close(latents.mean(0), torch.zeros(2), atol=0.2, rtol=0)
    torch.testing.assert_close(latents.std(0), torch.ones(2), atol=0.2, rtol=0)
