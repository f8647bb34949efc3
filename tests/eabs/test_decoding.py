import copy

import torch

from eabs.decoding import FoldedDecoders, FoldedDiscriminator
from eabs.networks import EABS


def latents_of(model: EABS, count: int) -> torch.Tensor:
    shape = (count, model.architecture.classes, model.architecture.latent)
    return torch.randn(shape, generator=torch.Generator().manual_seed(3))


def test_folded_decoders_make_the_same_images(preset_model: EABS) -> None:
    latents = latents_of(preset_model, 5)
    torch.testing.assert_close(FoldedDecoders(preset_model.decoders).decode(latents), preset_model.decoders(latents))


def test_the_pullback_is_autograds_gradient(preset_model: EABS) -> None:
    # In double precision, where no rounding moves an activation across ReLU's kink.
    decoders = copy.deepcopy(preset_model.decoders).double()
    latents = latents_of(preset_model, 5).double().requires_grad_()
    images = decoders(latents)
    upstream = torch.randn(images.shape, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    (expected,) = torch.autograd.grad(images, latents, upstream)
    with torch.inference_mode():
        found_images, pullback = FoldedDecoders(decoders).decode_with_pullback(latents.detach())
        kept = found_images.clone()
        found = pullback(upstream)
    torch.testing.assert_close(found_images, images.detach())
    torch.testing.assert_close(found, expected)
    assert torch.equal(found_images, kept), "the pullback overwrote the images that it was made with"


def test_the_penalty_and_its_gradient_are_autograds(preset_model: EABS) -> None:
    latents = latents_of(preset_model, 5).requires_grad_()
    expected = -0.7 * torch.sigmoid(preset_model.discriminator(latents)).log()
    (expected_gradient,) = torch.autograd.grad(expected.sum(), latents)
    folded = FoldedDiscriminator(preset_model.discriminator, beta=0.7)
    found, gradient = folded.penalty_with_gradient(latents.detach())
    torch.testing.assert_close(found, expected.detach())
    torch.testing.assert_close(folded.penalty(latents.detach()), expected.detach())
    torch.testing.assert_close(gradient, expected_gradient)
