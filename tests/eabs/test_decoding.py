import copy

import torch

from eabs.decoding import FoldedDecoders
from eabs.networks import EABS


def latents_of(model: EABS, count: int) -> torch.Tensor:
    shape = (count, model.architecture.classes, model.architecture.latent)
    return torch.randn(shape, generator=torch.Generator().manual_seed(3))


def test_folded_decoders_make_the_same_images(preset_model: EABS) -> None:
    latents = latents_of(preset_model, 5)
    torch.testing.assert_close(
        FoldedDecoders.fold(preset_model.decoders).decode(latents), preset_model.decoders(latents)
    )


def test_the_pullback_is_autograds_gradient(preset_model: EABS) -> None:
    # In double precision, where no rounding moves an activation across ReLU's kink.
    decoders = copy.deepcopy(preset_model.decoders).double()
    latents = latents_of(preset_model, 5).double().requires_grad_()
    images = decoders(latents)
    upstream = torch.randn(images.shape, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    (expected,) = torch.autograd.grad(images, latents, upstream)
    with torch.inference_mode():
        found_images, pullback = FoldedDecoders.fold(decoders).decode_with_pullback(latents.detach())
        kept = found_images.clone()
        found = pullback(upstream)
    torch.testing.assert_close(found_images, images.detach())
    torch.testing.assert_close(found, expected)
    assert torch.equal(found_images, kept), "the pullback overwrote the images that it was made with"


def test_selected_groups_decode_as_their_classes_do(preset_model: EABS) -> None:
    groups = torch.tensor([7, 2, 2, 0])
    latents = torch.randn(3, 4, preset_model.architecture.latent, generator=torch.Generator().manual_seed(5))
    folded = FoldedDecoders.fold(preset_model.decoders)
    everywhere = [folded.decode(latents[:, g : g + 1].expand(-1, 10, -1))[:, k] for g, k in enumerate(groups)]
    selected = folded.select(groups)
    torch.testing.assert_close(selected.decode(latents), torch.stack(everywhere, 1))
    images, pullback = selected.decode_with_pullback(latents)
    gradients = pullback(torch.ones_like(images))
    for g, k in enumerate(groups):
        _, whole = folded.decode_with_pullback(latents[:, g : g + 1].expand(-1, 10, -1))
        expected = whole(torch.ones_like(images[:, :1]).expand(-1, 10, -1, -1, -1))[:, k]
        torch.testing.assert_close(gradients[:, g], expected, rtol=1e-3, atol=1e-4)
