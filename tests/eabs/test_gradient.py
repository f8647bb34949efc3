import torch
from torch import Tensor

from eabs.costs import reconstruction_costs
from eabs.gradient import adaptive_gradient
from eabs.inference import LatentInference
from eabs.networks import EABS
from eabs.settings import QuasiNewtonSettings
from tests.eabs.toy import BruteForce


def test_it_is_autograds_gradient_of_the_cost_with_the_latent_held(
    toy: EABS, toy_images: tuple[Tensor, Tensor]
) -> None:
    images, _ = toy_images
    reconstructions = toy.decoders(torch.randn(len(images), 2))
    for k in range(3):
        x = images.clone().requires_grad_()
        (expected,) = torch.autograd.grad(reconstruction_costs(x, reconstructions)[:, k].sum(), x)
        torch.testing.assert_close(adaptive_gradient(images, reconstructions)[:, k], expected)


def test_at_the_optimum_it_is_the_slope_of_the_score_itself(
    toy: EABS, brute_force: BruteForce, toy_images: tuple[Tensor, Tensor]
) -> None:
    images = toy_images[0][:6]
    inference = LatentInference.prepare(toy, beta=1.0, seed=0, candidates=2000)
    result = inference.infer(images, QuasiNewtonSettings(steps=60, starts=4))
    gradient = adaptive_gradient(images, inference.reconstruct(result.latents))
    direction = torch.randn(images.shape, generator=torch.Generator().manual_seed(9))
    direction /= direction.flatten(1).norm(dim=1)[:, None, None, None]
    step = 0.05
    above = brute_force.scores(images + step * direction).amin(2)
    below = brute_force.scores(images - step * direction).amin(2)
    slope = (above - below) / (2 * step)
    predicted = (gradient * direction[:, None]).flatten(2).sum(2).double()
    # Where two optima of nearly equal score compete the score has a kink, and no slope to compare with.
    assert ((slope - predicted).abs() < 0.1).float().mean() > 0.8
