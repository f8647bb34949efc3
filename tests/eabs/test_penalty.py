import torch

from eabs.networks import EABS
from eabs.penalty import FoldedDiscriminator


def test_the_penalty_and_its_gradient_are_autograds(preset_model: EABS) -> None:
    latents = torch.randn(5, 3, preset_model.architecture.latent).requires_grad_()
    expected = -0.7 * torch.sigmoid(preset_model.discriminator(latents)).log()
    (expected_gradient,) = torch.autograd.grad(expected.sum(), latents)
    folded = FoldedDiscriminator(preset_model.discriminator, beta=0.7)
    found, gradient = folded.penalty_with_gradient(latents.detach())
    torch.testing.assert_close(found, expected.detach())
    torch.testing.assert_close(folded.penalty(latents.detach()), expected.detach())
    torch.testing.assert_close(gradient, expected_gradient)


def test_a_latents_penalty_and_gradient_do_not_depend_on_the_others(preset_model: EABS) -> None:
    latents = torch.randn(40, preset_model.architecture.latent)
    folded = FoldedDiscriminator(preset_model.discriminator, beta=1.0)
    penalties, gradients = folded.penalty_with_gradient(latents)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(1))
    for chosen in (order, order[:17], order[:1]):
        found, found_gradients = folded.penalty_with_gradient(latents[chosen])
        assert torch.equal(found, penalties[chosen])
        assert torch.equal(found_gradients, gradients[chosen])
        assert torch.equal(folded.penalty(latents[chosen]), penalties[chosen])
